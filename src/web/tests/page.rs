//! What the status page says of each state.

use super::fixtures;
use crate::web::page::render;

/// Writes pages for the eye into the directory that `STOCKTAKE_PAGES` names.
#[test]
#[ignore = "for a look in a browser: set STOCKTAKE_PAGES to a directory"]
fn pages_for_the_eye() {
    let directory = std::path::PathBuf::from(std::env::var_os("STOCKTAKE_PAGES").expect("STOCKTAKE_PAGES"));
    let mut bad_reload = fixtures::status(fixtures::all_states());
    bad_reload.configuration.error = Some(
        "stocktake.yaml:14:7: unknown key `shedule`\n    did you mean `schedule`?\nstocktake.yaml:20:5: `url` is missing"
            .to_owned(),
    );
    bad_reload.ticked_at = fixtures::ago("400s");
    for (name, status) in [
        ("none", fixtures::status(Vec::new())),
        ("well", fixtures::status(vec![fixtures::well("quay"), fixtures::running("harbor"), fixtures::new("gitea")])),
        ("three", fixtures::three()),
        ("states", bad_reload),
        ("many", fixtures::many()),
    ] {
        std::fs::write(directory.join(format!("{name}.html")), render(&status)).expect("written");
    }
}
