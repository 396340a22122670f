; Ends in the way that the first letter of the first argument names. An exit handler prints "bye".
@s_bye = private constant [4 x i8] c"bye\00"
@s_quick = private constant [6 x i8] c"quick\00"

declare i32 @puts(ptr)
declare i32 @atexit(ptr)
declare i32 @at_quick_exit(ptr)
declare void @exit(i32) noreturn
declare void @_exit(i32) noreturn
declare void @quick_exit(i32) noreturn
declare void @abort() noreturn
declare void @pthread_exit(ptr) noreturn
declare i32 @pthread_create(ptr, ptr, ptr, ptr)
declare i32 @usleep(i32)
declare i32 @raise(i32)
declare i32 @fork()
declare i32 @waitpid(i32, ptr, i32)
declare i32 @chdir(ptr)
@s_root = private constant [2 x i8] c"/\00"

define internal void @bye() {
  call i32 @puts(ptr @s_bye)
  ret void
}
define internal void @quick() {
  call i32 @puts(ptr @s_quick)
  ret void
}
define internal ptr @exit_6(ptr %unused) {
  call i32 @usleep(i32 20000)
  call void @exit(i32 6)
  unreachable
}
define internal i32 @sink(ptr %p, i32 %depth) noinline {
  %frame = alloca [256 x i32]
  store volatile i32 %depth, ptr %frame
  %more = add i32 %depth, 1
  %r = call i32 @sink(ptr %frame, i32 %more)
  %v = load volatile i32, ptr %frame
  %s = add i32 %r, %v
  ret i32 %s
}
define i32 @main(i32 %argc, ptr %argv) {
entry:
  %thread = alloca i64
  %status = alloca i32
  call i32 @atexit(ptr @bye)
  call i32 @at_quick_exit(ptr @quick)
  %slot = getelementptr ptr, ptr %argv, i32 1
  %arg = load ptr, ptr %slot
  %letter = load i8, ptr %arg
  switch i8 %letter, label %return [
    i8 101, label %exit
    i8 95, label %early
    i8 113, label %quick_exit
    i8 97, label %abort
    i8 115, label %segv
    i8 105, label %trap
    i8 102, label %fpe
    i8 111, label %overflow
    i8 116, label %thread_exit
    i8 107, label %fork
    i8 99, label %chdir
  ]
return:
  ret i32 4
exit:                                             ; e
  call void @exit(i32 5)
  unreachable
early:                                            ; _
  call void @_exit(i32 7)
  unreachable
quick_exit:                                       ; q
  call void @quick_exit(i32 8)
  unreachable
abort:                                            ; a
  call void @abort()
  unreachable
segv:                                             ; s
  %no_addr = sext i8 0 to i64
  %null = inttoptr i64 %no_addr to ptr
  store volatile i32 1, ptr %null
  ret i32 1
trap:                                             ; i
  call i32 @raise(i32 4)
  ret i32 1
fpe:                                              ; f
  call i32 @raise(i32 8)
  ret i32 1
overflow:                                         ; o
  %deep = call i32 @sink(ptr null, i32 0)
  ret i32 %deep
thread_exit:                                      ; t
  call i32 @pthread_create(ptr %thread, ptr null, ptr @exit_6, ptr null)
  call void @pthread_exit(ptr null)
  unreachable
fork:                                             ; k
  %child = call i32 @fork()
  %is_child = icmp eq i32 %child, 0
  br i1 %is_child, label %exit, label %wait
wait:
  call i32 @waitpid(i32 %child, ptr %status, i32 0)
  %encoded = load i32, ptr %status
  %code = lshr i32 %encoded, 8
  %result = add i32 %code, 10
  ret i32 %result
chdir:                                            ; c
  %moved = call i32 @chdir(ptr @s_root)
  ret i32 %moved
}
