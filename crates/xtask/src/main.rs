//! What a maintainer types.

fn main() -> anyhow::Result<()> {
    anyhow::bail!("usage: cargo xtask demo | test")
}
