//! The build script of every step: it ends a build for another system in one sentence,
//! where the compiler would have dozens.

fn main() {
    println!("cargo::rerun-if-changed=../linux_only.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("linux") {
        println!(
            "cargo::error=only Linux has namespaces and cgroups: build this on Linux, or in a virtual machine that runs it"
        );
    }
}
