; The signals that jitduel watches look as exec leaves them: a program asks, sets and puts back.
; Prints "default" for each of 4 that does.
@text = private constant [9 x i8] c"default \00"

declare i32 @printf(ptr, ...)
declare i32 @sigaction(i32, ptr, ptr)
declare ptr @signal(i32, ptr)
declare ptr @__sysv_signal(i32, ptr)

define void @handler(i32 %number) {
  ret void
}

define void @say(ptr %handler) {
  %is_default = icmp eq ptr %handler, null
  br i1 %is_default, label %print, label %done
print:
  %n = call i32 (ptr, ...) @printf(ptr @text)
  br label %done
done:
  ret void
}

define i32 @main() {
  ; struct sigaction: the handler is its first word, 152 bytes are all of it
  %old = alloca [152 x i8], align 8
  %asked = call i32 @sigaction(i32 11, ptr null, ptr %old)
  %segv = load ptr, ptr %old
  call void @say(ptr %segv)
  %abrt = call ptr @signal(i32 6, ptr @handler)
  call void @say(ptr %abrt)
  %ill = call ptr @__sysv_signal(i32 4, ptr @handler)
  call void @say(ptr %ill)
  ; its own is seen, and what it puts back is the default again
  %own = call ptr @signal(i32 6, ptr %abrt)
  %is_own = icmp eq ptr %own, @handler
  %again = call ptr @signal(i32 6, ptr null)
  %shown = select i1 %is_own, ptr %again, ptr @handler
  call void @say(ptr %shown)
  ret i32 0
}
