; Parses, but the verifier refuses it: a phi below another instruction.
define i32 @main(i32 %argc, ptr %argv) {
entry:
  br label %loop
loop:
  %sum = add i32 %argc, 1
  %i = phi i32 [ 0, %entry ], [ %next, %loop ]
  %next = add i32 %i, 1
  %done = icmp eq i32 %next, 4
  br i1 %done, label %out, label %loop
out:
  ret i32 %sum
}
