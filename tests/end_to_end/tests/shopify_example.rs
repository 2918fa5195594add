//! The Shopify example: a merchant installs, against a fake Shopify over TLS that the unmodified `ShopifyAPI` client
//! checks first.

use std::fs;

use end_to_end::handfast::built;
use xtask::{program, repository, tools};

#[test]
fn a_merchant_installs_and_the_backend_calls_the_shop() -> anyhow::Result<()> {
    let folder = repository().join("www-example/shopify-fastapi");
    let requirements = fs::read_to_string(folder.join("requirements.txt"))?;
    let packages: Vec<&str> = requirements.lines().collect();
    let python = tools::from_pypi("shopify-example", &packages)?;
    let mut workflow = program::family_bound_to_us(python);
    workflow.arg("run_workflow.py").arg(built("handfast")?).current_dir(&folder);
    let said = program::run(workflow.env("PYTHONDONTWRITEBYTECODE", "1"))?;
    assert!(said.contains("the workflow holds"), "{said}");
    Ok(())
}
