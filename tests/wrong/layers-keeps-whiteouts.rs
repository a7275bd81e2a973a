//! Wrong: unpacks a layer as any archive, as `tar -xf` does. Files called `.wh.NAME` appear, and
//! those that they should hide are there.

#[path = "right/layers.rs"]
#[expect(dead_code, reason = "it knows of no file that hides another")]
mod layers;
mod right;

fn main() {
    layers::main(|entry, folder| {
        // Instead: a device 0:0 for each `.wh.NAME`.
        entry.unpack_in(folder)?;
        Ok(())
    })
}
