/// Executes the command in an environment that owes nothing to ours.
fn run(variables: Vec<Variable>, argv: &[OsString]) -> Result<ExitCode> {
    announce("Running", argv)?;
    let terminal = env::var_os("TERM").unwrap_or_else(|| "dumb".into());
    // fork(2) copies the environment. It is execve(2) that can replace it: its third
    // argument is all that the new program finds.
    command::execute(
        Command::new(&argv[0])
            .args(&argv[1..])
            .env_clear()
            .env("PATH", PATH)
            .env("HOME", "/root")
            .env("TERM", terminal)
            .envs(variables),
    )
}
