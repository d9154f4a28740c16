//! A picture of a terminal session, for pages that cannot run one.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::process::ExitCode;

mod screen;

use screen::{Cell, Color, Screen, Style};

/// Draws what a terminal shows at the end of `session` (text with escape sequences) as an SVG
/// document: a window with a title bar, and every character in its cell. The same session gives
/// the same bytes. Screen readers get the title, and the text as the description.
pub(crate) fn picture(title: &str, session: &str) -> String {
    let rows = Screen::play(session).into_rows();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0).max(40);
    let width = across(columns) + 2 * MARGIN;
    let height = BAR + (rows.len().max(1) * LINE + 2 * MARGIN / 10) * 10;
    let mut svg = String::new();
    opening(&mut svg, title, &plain(&rows), width, height);
    for (number, row) in rows.iter().enumerate() {
        let top = BAR + MARGIN + number * LINE * 10;
        for run in runs(row) {
            draw(&mut svg, &run, top);
        }
    }
    svg.push_str("</svg>\n");
    svg
}

/// `cargo x picture TITLE < SESSION > FILE.svg`
pub(crate) fn main(arguments: &[&str]) -> ExitCode {
    let &[title] = arguments else {
        eprintln!("Usage:  cargo x picture TITLE < SESSION > FILE.svg");
        return ExitCode::from(2);
    };
    let mut session = Vec::new();
    let drawn = std::io::stdin().read_to_end(&mut session).and_then(|_| {
        let svg = picture(title, &String::from_utf8_lossy(&session));
        std::io::stdout().write_all(svg.as_bytes())
    });
    match drawn {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("picture of {title:?}: {error}");
            ExitCode::FAILURE
        }
    }
}

// All lengths are whole tenths of a pixel but for LINE and FONT, which are pixels: no rounding,
// so the same bytes on every machine.

/// The height of a character.
const FONT: usize = 14;
/// The height of a row.
const LINE: usize = 19;
/// The width of a column. Runs are stretched to it, so that any monospaced font fits.
const COLUMN: usize = 84;
/// Between the window's edge and the text.
const MARGIN: usize = 160;
/// The height of the title bar.
const BAR: usize = 360;

const BACKGROUND: &str = "#11171f";
const FOREGROUND: &str = "#dbe2ea";

/// The sixteen colours that a terminal chooses; each can be read on the background.
const PALETTE: [&str; 16] = [
    "#7f8c9b", "#ff7b72", "#7ee787", "#e3b341", "#79b8ff", "#d2a8ff", "#56d4dd", "#c9d1d9",
    "#97a4b3", "#ffa198", "#9bf0a3", "#f2cc60", "#a5d0ff", "#e2c5ff", "#86e8ee", "#ffffff",
];

/// Neighbours of one style in one row.
#[derive(Debug, PartialEq, Eq)]
struct Run {
    column: usize,
    columns: usize,
    text: String,
    style: Style,
}

fn opening(svg: &mut String, title: &str, text: &str, width: usize, height: usize) {
    let (w, h) = (tenths(width), tenths(height));
    let _ = write!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w}\" height=\"{h}\" \
         viewBox=\"0 0 {w} {h}\" role=\"img\" aria-labelledby=\"title text\">\n\
         <title id=\"title\">{title}</title>\n\
         <desc id=\"text\">{text}</desc>\n\
         <style>\
         text{{font:{FONT}px ui-monospace,SFMono-Regular,Menlo,Consolas,\"DejaVu Sans Mono\",\
         \"Liberation Mono\",monospace;fill:{FOREGROUND};white-space:pre}}\
         .b{{font-weight:bold}}.f{{opacity:.75}}.i{{font-style:italic}}\
         .u{{text-decoration:underline}}.t{{fill:#97a4b3;text-anchor:middle}}</style>\n\
         <rect x=\".5\" y=\".5\" width=\"{inner_w}\" height=\"{inner_h}\" rx=\"10\" \
         fill=\"{BACKGROUND}\" stroke=\"#c5ced8\"/>\n\
         <path d=\"M.5 {bar}H{right}\" stroke=\"#2b3542\"/>\n\
         <circle cx=\"20\" cy=\"18\" r=\"6\" fill=\"#ff5f57\"/>\
         <circle cx=\"40\" cy=\"18\" r=\"6\" fill=\"#febc2e\"/>\
         <circle cx=\"60\" cy=\"18\" r=\"6\" fill=\"#28c840\"/>\n\
         <text class=\"t\" x=\"{middle}\" y=\"23\">{title}</text>\n",
        title = escape(title),
        text = escape(text),
        inner_w = tenths(width - 10),
        inner_h = tenths(height - 10),
        right = tenths(width - 5),
        bar = tenths(BAR),
        middle = tenths(width / 2),
    );
}

fn draw(svg: &mut String, run: &Run, top: usize) {
    let (fore, back) = colors(&run.style);
    let x = tenths(MARGIN + across(run.column));
    let length = tenths(across(run.columns));
    if let Some(back) = back {
        let y = tenths(top);
        let _ = writeln!(
            svg,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{length}\" height=\"{LINE}\" fill=\"{back}\"/>"
        );
    }
    if run.text.trim().is_empty() {
        return;
    }
    let flags = [
        (run.style.bold, 'b'),
        (run.style.faint, 'f'),
        (run.style.italic, 'i'),
        (run.style.underline, 'u'),
    ];
    let classes: Vec<String> = flags
        .iter()
        .filter(|(is, _)| *is)
        .map(|(_, class)| class.to_string())
        .collect();
    let _ = write!(svg, "<text x=\"{x}\" y=\"{}\"", tenths(top + FONT * 10));
    if !classes.is_empty() {
        let _ = write!(svg, " class=\"{}\"", classes.join(" "));
    }
    if fore != FOREGROUND {
        let _ = write!(svg, " style=\"fill:{fore}\"");
    }
    let text = escape(&run.text);
    let _ = writeln!(
        svg,
        " textLength=\"{length}\" lengthAdjust=\"spacingAndGlyphs\" xml:space=\"preserve\">{text}</text>"
    );
}

/// Cuts a row where the style changes, and where there is a wide gap: what stands in columns
/// stays there, whatever the font does.
fn runs(row: &[Cell]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for (column, cell) in row.iter().enumerate() {
        let Some(character) = cell.character else {
            if let Some(run) = runs.last_mut() {
                run.columns += 1;
            }
            continue;
        };
        match runs.last_mut() {
            Some(run) if run.style == cell.style => {
                run.text.push(character);
                run.columns += 1;
            }
            _ => runs.push(Run {
                column,
                columns: 1,
                text: character.to_string(),
                style: cell.style,
            }),
        }
    }
    runs.into_iter().flat_map(at_gaps).collect()
}

/// A run without a background, as its parts between two or more spaces.
fn at_gaps(run: Run) -> Vec<Run> {
    let (_, back) = colors(&run.style);
    let one_column_each = run.columns == run.text.chars().count();
    if back.is_some() || run.style.underline || !one_column_each {
        return vec![run];
    }
    let mut parts: Vec<Run> = Vec::new();
    let mut spaces = 2;
    for (offset, character) in run.text.chars().enumerate() {
        if character == ' ' {
            spaces += 1;
            continue;
        }
        match parts.last_mut() {
            Some(part) if spaces < 2 => {
                part.text.push_str(&" ".repeat(spaces));
                part.text.push(character);
                part.columns += spaces + 1;
            }
            _ => parts.push(Run {
                column: run.column + offset,
                columns: 1,
                text: character.to_string(),
                style: run.style,
            }),
        }
        spaces = 0;
    }
    parts
}

/// The colours of text and ground; no ground where it is the window's.
fn colors(style: &Style) -> (String, Option<String>) {
    let fore = color(style.foreground).unwrap_or_else(|| FOREGROUND.to_owned());
    let back = color(style.background);
    if style.reverse {
        (back.unwrap_or_else(|| BACKGROUND.to_owned()), Some(fore))
    } else {
        (fore, back)
    }
}

/// Numbers from 16 are a cube of six steps each, then 24 greys, as in every terminal.
fn color(color: Color) -> Option<String> {
    let hex = |r: u8, g: u8, b: u8| format!("#{r:02x}{g:02x}{b:02x}");
    match color {
        Color::Default => None,
        Color::Rgb(r, g, b) => Some(hex(r, g, b)),
        Color::Indexed(n @ 0..=15) => Some(PALETTE[usize::from(n)].to_owned()),
        Color::Indexed(n @ 16..=231) => {
            let step = |n: u8| if n == 0 { 0 } else { 55 + 40 * n };
            let n = n - 16;
            Some(hex(step(n / 36), step(n / 6 % 6), step(n % 6)))
        }
        Color::Indexed(n) => {
            let grey = 8 + 10 * (n - 232);
            Some(hex(grey, grey, grey))
        }
    }
}

/// The text alone, a line a row.
fn plain(rows: &[Vec<Cell>]) -> String {
    let line =
        |row: &Vec<Cell>| -> String { row.iter().filter_map(|cell| cell.character).collect() };
    let lines: Vec<String> = rows.iter().map(line).collect();
    lines.join("\n")
}

fn across(columns: usize) -> usize {
    columns * COLUMN
}

/// `84` tenths as `8.4`.
fn tenths(length: usize) -> String {
    match length % 10 {
        0 => (length / 10).to_string(),
        tenth => format!("{}.{tenth}", length / 10),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_ends_where_the_style_changes_or_a_gap_is() {
        let check = |session: &str, expected: &[(usize, usize, &str)]| {
            let rows = Screen::play(session).into_rows();
            let runs = runs(&rows[0]);
            let found: Vec<_> = runs
                .iter()
                .map(|r| (r.column, r.columns, r.text.as_str()))
                .collect();
            assert_eq!(found, expected, "{session:?}");
        };
        check("plain text", &[(0, 10, "plain text")]);
        check("  a   b c", &[(2, 1, "a"), (6, 3, "b c")]);
        check(
            "a\x1b[1mb\x1b[0mc",
            &[(0, 1, "a"), (1, 1, "b"), (2, 1, "c")],
        );
        check("\x1b[41ma   b", &[(0, 5, "a   b")]);
        check("中 x", &[(0, 4, "中 x")]);
    }

    #[test]
    fn the_picture_holds_the_text_and_nothing_that_breaks_it() {
        let svg = picture("a <b> & \"c\"", "\x1b[1;32m$\x1b[0m echo '<&>'\r\n<&>\r\n");
        assert!(svg.starts_with("<svg xmlns="), "{svg}");
        assert!(
            svg.contains("<title id=\"title\">a &lt;b&gt; &amp; &quot;c&quot;</title>"),
            "{svg}"
        );
        assert!(
            svg.contains("<desc id=\"text\">$ echo '&lt;&amp;&gt;'\n&lt;&amp;&gt;</desc>"),
            "{svg}"
        );
        assert!(
            svg.contains(
                "<text x=\"16\" y=\"66\" class=\"b\" style=\"fill:#7ee787\" textLength=\"8.4\" \
                 lengthAdjust=\"spacingAndGlyphs\" xml:space=\"preserve\">$</text>"
            ),
            "{svg}"
        );
        assert_eq!(
            svg,
            picture("a <b> & \"c\"", "\x1b[1;32m$\x1b[0m echo '<&>'\n<&>\n")
        );
        assert!(!svg.contains('\x1b'));
        assert_eq!(svg.matches("<text").count(), svg.matches("</text>").count());
    }

    #[test]
    fn colours_are_those_of_every_terminal() {
        let check = |given: Color, expected: Option<&str>| {
            assert_eq!(color(given).as_deref(), expected, "{given:?}");
        };
        check(Color::Default, None);
        check(Color::Indexed(1), Some("#ff7b72"));
        check(Color::Indexed(16), Some("#000000"));
        check(Color::Indexed(208), Some("#ff8700"));
        check(Color::Indexed(231), Some("#ffffff"));
        check(Color::Indexed(232), Some("#080808"));
        check(Color::Indexed(255), Some("#eeeeee"));
        check(Color::Rgb(1, 2, 255), Some("#0102ff"));
        let reversed = Screen::play("\x1b[7mx").into_rows();
        let (fore, back) = colors(&reversed[0][0].style);
        assert_eq!(
            (fore.as_str(), back.as_deref()),
            (BACKGROUND, Some(FOREGROUND))
        );
    }

    /// WCAG 2.2, 1.4.3: text is at least 4.5 times as light as what it stands on.
    #[test]
    fn every_colour_of_the_palette_can_be_read() {
        let channel = |hex: &str| f64::from(u8::from_str_radix(hex, 16).unwrap()) / 255.0;
        let linear = |c: f64| {
            if c <= 0.04045 {
                c / 12.92
            } else {
                ((c + 0.055) / 1.055).powf(2.4)
            }
        };
        let light = |color: &str| {
            let part = |at: usize| linear(channel(&color[at..at + 2]));
            0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5)
        };
        let ground = light(BACKGROUND);
        for color in PALETTE.iter().chain(&[FOREGROUND]) {
            let contrast = (light(color) + 0.05) / (ground + 0.05);
            assert!(contrast >= 4.5, "{color}: {contrast:.2}");
        }
    }

    #[test]
    fn an_empty_session_is_an_empty_window() {
        let svg = picture("nothing", "");
        assert!(svg.contains("height=\"87\""), "{svg}");
    }
}
