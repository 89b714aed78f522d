//! Writes two pages of made-up data, a full one and an empty one, for looking at:
//! `cargo run -p goldrecord-reports --example made_up -- FOLDER`.

mod data;

fn main() -> std::io::Result<()> {
    let folder =
        std::path::PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| ".".to_owned()));
    std::fs::create_dir_all(&folder)?;
    std::fs::write(
        folder.join("full.html"),
        goldrecord_reports::render(&data::report()),
    )?;
    std::fs::write(
        folder.join("empty.html"),
        goldrecord_reports::render(&goldrecord_reports::Report::default()),
    )
}
