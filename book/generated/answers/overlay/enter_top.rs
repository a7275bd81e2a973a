/// Goes to what was mounted last over our root. `/` still leads to what lies beneath, and so
/// may its name. In a root directory `..` stays there, but goes up to what lies on it.
pub fn enter_top() -> Result<()> {
    env::set_current_dir("/..").context("change directory to what lies on /")
}
