declare i32 @jd_cli_fixture_answer(i32)
define i32 @main(i32 %argc, ptr %argv) {
  %r = call i32 @jd_cli_fixture_answer(i32 %argc)
  ret i32 %r
}
