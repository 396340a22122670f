; half and bfloat, computed as the CPU lets the compiler: with instructions, or with functions of
; libgcc that nothing else mentions. Prints what IEEE 754 says, one rounding each.
@halves = global [4 x half] [half 0xH3C00, half 0xH4200, half 0xH7BFF, half 0xH4C00]
@bfloats = global [4 x bfloat] [bfloat 0xR3F80, bfloat 0xR4040, bfloat 0xR4380, bfloat 0xR3F80]
@above_tie = global double 0x3FF0100000001000 ; 1 + 2^-8 + 2^-40
@number = global i32 2049
@format = private constant [22 x i8] c"%.10g %.10g %g %.10g\0A\00"

declare i32 @printf(ptr, ...)

; 1/3, 65504 + 16 (a tie, to infinity), 2049 (a tie, to even), 1 + 2^-8 from a double
define void @print_halves() {
  %one = load volatile half, ptr @halves
  %three = load volatile half, ptr getelementptr ([4 x half], ptr @halves, i64 0, i64 1)
  %largest = load volatile half, ptr getelementptr ([4 x half], ptr @halves, i64 0, i64 2)
  %sixteen = load volatile half, ptr getelementptr ([4 x half], ptr @halves, i64 0, i64 3)
  %wide = load volatile double, ptr @above_tie
  %whole = load volatile i32, ptr @number
  %third = fdiv half %one, %three
  %infinite = fadd half %largest, %sixteen
  %rounded = sitofp i32 %whole to half
  %narrow = fptrunc double %wide to half
  %a = fpext half %third to double
  %b = fpext half %rounded to double
  %c = fpext half %infinite to double
  %d = fpext half %narrow to double
  %n = call i32 (ptr, ...) @printf(ptr @format, double %a, double %b, double %c, double %d)
  ret void
}

; 1/3, 256 + 1 (a tie, to even), 3 to an integer, and what two roundings would take for a tie
define void @print_bfloats() {
  %one = load volatile bfloat, ptr @bfloats
  %three = load volatile bfloat, ptr getelementptr ([4 x bfloat], ptr @bfloats, i64 0, i64 1)
  %large = load volatile bfloat, ptr getelementptr ([4 x bfloat], ptr @bfloats, i64 0, i64 2)
  %wide = load volatile double, ptr @above_tie
  %third = fdiv bfloat %one, %three
  %even = fadd bfloat %large, %one
  %narrow = fptrunc double %wide to bfloat
  %whole = fptosi bfloat %three to i32
  %a = fpext bfloat %third to double
  %b = fpext bfloat %even to double
  %c = sitofp i32 %whole to double
  %d = fpext bfloat %narrow to double
  %n = call i32 (ptr, ...) @printf(ptr @format, double %a, double %b, double %c, double %d)
  ret void
}

define i32 @main() {
  call void @print_halves()
  call void @print_bfloats()
  ret i32 0
}
