//! The build script of the steps and the testkit: it ends a build for another system in one
//! sentence, where the compiler would have dozens.

fn main() {
    // Only this, and not whatever file changes in the package.
    println!("cargo::rerun-if-env-changed=CARGO_CFG_TARGET_OS");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("linux") {
        println!(
            "cargo::error=only Linux has namespaces and cgroups: build this on Linux, or in a virtual machine that runs it"
        );
    }
}
