//! The `hamgate` binary: everything is in the library's `cli` room.

fn main() -> std::process::ExitCode {
    hamgate::cli::run(std::env::args_os())
}
