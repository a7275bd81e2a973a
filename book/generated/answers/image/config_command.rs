/// The command, as the image wants it: its words, unless there are others, its environment, its
/// user, and its working directory.
fn config_command(config: &Config, words: &[OsString]) -> Result<Command> {
    let argv = config.argv(words)?;
    let user = config.user()?;
    let folder = &config.working_dir;
    fs::create_dir_all(folder)
        .and_then(|()| env::set_current_dir(folder))
        .with_context(|| format!("change directory to {}", folder.display()))?;
    let mut command = Command::new(&argv[0]);
    command.args(&argv[1..]).env_clear();
    command.envs(config.variables(&user.home));
    // With a user, std also drops the groups that we have.
    command.uid(user.uid).gid(user.gid);
    Ok(command)
}
