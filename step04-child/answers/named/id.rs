//! The ID of a container.
//!
//! Read: random(4).

use std::fs::File;
use std::io::{BufReader, Read};

use anyhow::{Context, Result};

/// How many characters an ID has, and how many of them Docker shows.
const ID_LENGTH: usize = 64;
pub const SHORT_ID_LENGTH: usize = 12;

/// Draws an ID at random. Nobody has to be asked whether it is taken: there are 36 to the
/// power of 64, and no two containers will ever draw the same.
pub fn draw_id() -> Result<String> {
    const CHARACTERS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let source = File::open("/dev/urandom").context("open /dev/urandom")?;
    let mut id = String::new();
    for byte in BufReader::with_capacity(2 * ID_LENGTH, source).bytes() {
        let byte = usize::from(byte.context("read /dev/urandom")?);
        // A byte has 256 values, 7 for each character. The 4 that are left over would make
        // the first 4 characters more likely than the others.
        if byte < 7 * CHARACTERS.len() {
            id.push(char::from(CHARACTERS[byte % CHARACTERS.len()]));
        }
        if id.len() == ID_LENGTH {
            break;
        }
    }
    Ok(id)
}
