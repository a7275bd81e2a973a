/// Splits KEY=VALUE at its first `=`.
fn split(variable: &OsStr) -> Result<Variable> {
    let bytes = variable.as_bytes();
    match bytes.iter().position(|byte| *byte == b'=') {
        Some(end) if end > 0 => Ok((
            OsStr::from_bytes(&bytes[..end]).to_owned(),
            OsStr::from_bytes(&bytes[end + 1..]).to_owned(),
        )),
        _ => bail!("expected KEY=VALUE after --env\n{USAGE}"),
    }
}
