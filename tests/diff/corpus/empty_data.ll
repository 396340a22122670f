; Data without bytes has an address all the same; alone in its section, it once had none.
@table = constant [0 x ptr] zeroinitializer
@t2 = constant {} zeroinitializer
define i32 @main() {
  %c = ptrtoint ptr @table to i64
  %d = ptrtoint ptr @t2 to i64
  %e = or i64 %c, %d
  %i = icmp ne i64 %e, 0
  %r = zext i1 %i to i32
  ret i32 %r
}
