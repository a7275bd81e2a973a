//! What holds for the Chinese text. That a sentence is missing or old is no fault: the page has
//! the English one then. `book/translate` tells how many are.

use anyhow::{Context, Result, ensure};
use polib::message::MessageView;
use polib::po_file;
use regex::Regex;

use crate::sources::{page, top};

/// The English and the Chinese of each message that is shown.
fn translated() -> Result<Vec<(String, String)>> {
    let file = top().join("book/po/zh-Hans.po");
    let catalog = po_file::parse(&file).context(format!("read {}", file.display()))?;
    let shown = catalog
        .messages()
        .filter(|message| message.is_translated() && !message.is_fuzzy());
    let pair = |message: &dyn MessageView| -> Result<_> {
        let chinese = message.msgstr().context("a message with a plural")?;
        Ok((message.msgid().to_owned(), chinese.to_owned()))
    };
    shown.map(pair).collect()
}

/// Links, anchors and code lead to the same places in both languages.
pub fn each_translation_has_the_links_of_its_text() -> Result<()> {
    let link = Regex::new(r#"\]\([^)]*\)|<a id="[^"]*">"#)?;
    let links = |text: &str| {
        let mut links: Vec<_> = link
            .find_iter(text)
            .map(|found| found.as_str().to_owned())
            .collect();
        links.sort();
        links
    };
    let all = translated()?;
    let wrong: Vec<_> = all
        .iter()
        .filter(|(english, chinese)| links(english) != links(chinese))
        .collect();
    ensure!(wrong.is_empty(), "these have other links: {wrong:#?}");
    ensure!(!all.is_empty(), "nothing is translated");
    Ok(())
}

/// Where the glossary has a second word in brackets, the book takes the first.
pub fn each_term_has_one_form() -> Result<()> {
    let second = Regex::new(r"(?m)^\| <a id=.*?\| .*（(.*)） \|")?;
    let glossary = page("reference/glossary.md")?.text;
    let seconds: Vec<_> = second
        .captures_iter(&glossary)
        .map(|found| found[1].to_owned())
        .collect();
    ensure!(!seconds.is_empty(), "the glossary has no second words");
    let all = translated()?;
    let wrong: Vec<_> = all
        .iter()
        .map(|(_, chinese)| chinese)
        .filter(|chinese| {
            seconds
                .iter()
                .any(|second| chinese.contains(second.as_str()))
        })
        .collect();
    ensure!(
        wrong.is_empty(),
        "of {seconds:?}, these have a word: {wrong:#?}"
    );
    Ok(())
}
