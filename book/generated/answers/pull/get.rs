/// Asks, and asks again with a token if it wants one.
fn get(&mut self, path: &str, headers: &[(&str, String)]) -> Result<Response<Body>> {
    let response = self.ask(path, headers)?;
    if response.status() != 401 {
        return Ok(response);
    }
    let challenge = text(response.headers(), "www-authenticate").to_owned();
    self.token = Some(self.fetch_token(&challenge).context("get a token")?);
    self.ask(path, headers)
}
