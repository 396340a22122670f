; Enough of everything: functions, data, a constructor, printing, an exception, memory; ends with 7.
@format = private constant [10 x i8] c"%d %d %d\0A\00"
@table = global [2 x ptr] [ptr @twice, ptr @thrower]
@constructed = global i32 0
@own = thread_local global i32 5
@llvm.global_ctors = appending global [1 x { i32, ptr, ptr }] [{ i32, ptr, ptr } { i32 65535, ptr @construct, ptr null }]
@_ZTIi = external constant ptr
declare i32 @printf(ptr, ...)
declare ptr @calloc(i64, i64)
declare void @free(ptr)
declare ptr @__cxa_allocate_exception(i64)
declare void @__cxa_throw(ptr, ptr, ptr)
declare ptr @__cxa_begin_catch(ptr)
declare void @__cxa_end_catch()
declare i32 @__gxx_personality_v0(...)

define internal void @construct() {
  store i32 1, ptr @constructed
  ret void
}

define i32 @twice(i32 %x) {
  %r = shl i32 %x, 1
  ret i32 %r
}

define i32 @thrower(i32 %x) {
  %e = call ptr @__cxa_allocate_exception(i64 4)
  store i32 %x, ptr %e
  call void @__cxa_throw(ptr %e, ptr @_ZTIi, ptr null)
  unreachable
}

define i32 @main() personality ptr @__gxx_personality_v0 {
  %f = load ptr, ptr @table
  %a = call i32 %f(i32 21)
  %memory = call ptr @calloc(i64 16, i64 4)
  call void @free(ptr %memory)
  %g = load ptr, ptr getelementptr ([2 x ptr], ptr @table, i64 0, i64 1)
  %b = invoke i32 %g(i32 3) to label %out unwind label %pad
pad:
  %p = landingpad { ptr, i32 } catch ptr null
  %e = extractvalue { ptr, i32 } %p, 0
  %c = call ptr @__cxa_begin_catch(ptr %e)
  %v = load i32, ptr %c
  call void @__cxa_end_catch()
  br label %out
out:
  %r = phi i32 [ %b, %0 ], [ %v, %pad ]
  %t = load i32, ptr @own
  %s = load i32, ptr @constructed
  %n = call i32 (ptr, ...) @printf(ptr @format, i32 %a, i32 %r, i32 %s)
  %sum = add i32 %t, 2
  ret i32 %sum
}
