//! Wrong: unpacks the files of a layer where their names lead. A link in the layer leads out
//! of its folder, and the file after it is written there.

#[path = "right/layers.rs"]
mod layers;
mod right;

fn main() {
    layers::main(|entry, folder| {
        // Instead: chroot to the folder, and refuse a link that is no last part of a path.
        if !layers::white_out(entry, folder)? {
            entry.unpack(folder.join(entry.path()?))?;
        }
        Ok(())
    })
}
