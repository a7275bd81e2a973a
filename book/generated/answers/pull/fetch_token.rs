/// Gets a token where the registry says: `Bearer realm="ADDRESS",service="…",scope="…"`.
fn fetch_token(&self, challenge: &str) -> Result<String> {
    let fields = challenge.strip_prefix("Bearer ");
    let fields = fields.context("it wants a password, and this program knows none")?;
    let field = |name: &str| {
        let (_, rest) = fields.split_once(&format!("{name}=\""))?;
        rest.split_once('"').map(|(value, _)| value)
    };
    let mut request = self
        .agent
        .get(field("realm").context("it does not say where")?);
    for name in ["service", "scope"] {
        if let Some(value) = field(name) {
            request = request.query(name, value);
        }
    }
    let mut response = request.call()?;
    expect_found(&response)?;
    let body = response.body_mut().with_config().limit(LONGEST_MANIFEST);
    let answer: Value = serde_json::from_slice(&body.read_to_vec()?)?;
    let mut tokens = ["token", "access_token"]
        .iter()
        .map(|name| answer[name].as_str());
    let token = tokens
        .find_map(|token| token)
        .context("the answer has none")?;
    Ok(token.to_owned())
}
