/// SIGTERM goes to the supervisor, which passes it on; SIGKILL to all that is in the cgroup.
fn stop(name: &str, patience: Duration) -> Result<()> {
    let container = Container::find(name)?;
    let began = Instant::now();
    if let State::Running(supervisor) = container.state()? {
        signal(supervisor, Signal::SIGTERM)?;
    }
    while container.is_running()? {
        if began.elapsed() >= patience {
            container
                .processes()?
                .into_iter()
                .try_for_each(|pid| signal(pid, Signal::SIGKILL))?;
        }
        thread::sleep(Duration::from_millis(10));
    }
    print(name)
}
