//! A terminal's screen: what is left to see after everything was written, moved over and erased.

/// One place on the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cell {
    /// What stands there; `None` is the right half of a wide character.
    pub(super) character: Option<char>,
    pub(super) style: Style,
}

/// How a character looks.
// Each is a switch of its own in a terminal, too.
#[allow(clippy::struct_excessive_bools)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Style {
    pub(super) foreground: Color,
    pub(super) background: Color,
    pub(super) bold: bool,
    pub(super) faint: bool,
    pub(super) italic: bool,
    pub(super) underline: bool,
    pub(super) reverse: bool,
}

/// A colour as escape sequences name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Color {
    /// The terminal's own.
    #[default]
    Default,
    /// One of 256; the first 16 are the terminal's to choose.
    Indexed(u8),
    /// Red, green, blue.
    Rgb(u8, u8, u8),
}

/// A screen as wide and as high as what is written to it: nothing scrolls away.
#[derive(Debug, Default)]
pub(super) struct Screen {
    rows: Vec<Vec<Cell>>,
    row: usize,
    column: usize,
    style: Style,
}

const BLANK: Cell = Cell {
    character: Some(' '),
    style: Style {
        foreground: Color::Default,
        background: Color::Default,
        bold: false,
        faint: false,
        italic: false,
        underline: false,
        reverse: false,
    },
};

/// A sequence that moves further than this is a mistake, and must not fill the memory.
const FARTHEST: usize = 10_000;

impl Screen {
    /// Plays a whole session: text with the escape sequences of ECMA-48 that programs use for
    /// colours and progress bars. Other sequences mean nothing and leave nothing.
    pub(super) fn play(session: &str) -> Self {
        let mut screen = Self::default();
        let mut characters = session.chars().peekable();
        while let Some(c) = characters.next() {
            match c {
                '\x1b' => match characters.next() {
                    Some('[') => {
                        let end = |c: char| ('\x40'..='\x7e').contains(&c);
                        let mut parameters = String::new();
                        for c in characters.by_ref() {
                            if end(c) {
                                screen.control(&parameters, c);
                                break;
                            }
                            parameters.push(c);
                        }
                    }
                    Some(']') => {
                        // A title or a link: up to BEL or ESC \.
                        while let Some(c) = characters.next() {
                            if c == '\x07'
                                || (c == '\x1b' && characters.next_if_eq(&'\\').is_some())
                            {
                                break;
                            }
                        }
                    }
                    // A choice of character set has one more character; all else has none.
                    Some('(' | ')') => {
                        characters.next();
                    }
                    _ => {}
                },
                '\n' => {
                    screen.row += 1;
                    screen.column = 0;
                }
                '\r' => screen.column = 0,
                '\x08' => screen.column = screen.column.saturating_sub(1),
                '\t' => screen.column = (screen.column / 8 + 1) * 8,
                c if c.is_control() => {}
                c => screen.put(c),
            }
        }
        screen
    }

    /// The rows from the top, without what is blank at their ends, and without blank rows at
    /// the end.
    pub(super) fn into_rows(mut self) -> Vec<Vec<Cell>> {
        for row in &mut self.rows {
            while row.last() == Some(&BLANK) {
                row.pop();
            }
        }
        while self.rows.last().is_some_and(Vec::is_empty) {
            self.rows.pop();
        }
        self.rows
    }

    fn put(&mut self, character: char) {
        let columns = columns(character);
        if columns == 0 {
            // A combining mark has no place of its own; a picture can do without.
            return;
        }
        let (column, style) = (self.column, self.style);
        let row = self.current_row();
        if row.len() < column + columns {
            row.resize(column + columns, BLANK);
        }
        row[column] = Cell {
            character: Some(character),
            style,
        };
        if columns == 2 {
            row[column + 1] = Cell {
                character: None,
                style,
            };
        }
        self.column += columns;
    }

    fn current_row(&mut self) -> &mut Vec<Cell> {
        if self.rows.len() <= self.row {
            self.rows.resize(self.row + 1, Vec::new());
        }
        &mut self.rows[self.row]
    }

    /// Does what a control sequence says: `parameters` and the letter at its end.
    fn control(&mut self, parameters: &str, letter: char) {
        let numbers: Vec<usize> = parameters
            .split(';')
            .map(|number| number.parse().unwrap_or(0).min(FARTHEST))
            .collect();
        let first = numbers[0];
        let distance = first.max(1);
        match letter {
            'm' => self.select(parameters),
            'A' | 'F' => self.row = self.row.saturating_sub(distance),
            'B' | 'E' => self.row = (self.row + distance).min(FARTHEST),
            'C' => self.column = (self.column + distance).min(FARTHEST),
            'D' => self.column = self.column.saturating_sub(distance),
            'G' => self.column = distance - 1,
            'K' => {
                let column = self.column;
                let row = self.current_row();
                match first {
                    0 => row.truncate(column),
                    1 => {
                        let end = row.len().min(column + 1);
                        row[..end].fill(BLANK);
                    }
                    _ => row.clear(),
                }
            }
            'J' if first == 0 => {
                let column = self.column;
                self.current_row().truncate(column);
                self.rows.truncate(self.row + 1);
            }
            'J' if !parameters.starts_with('?') => self.rows.clear(),
            _ => {}
        }
        if matches!(letter, 'E' | 'F') {
            self.column = 0;
        }
    }

    /// "Select graphic rendition": colours and weight.
    fn select(&mut self, parameters: &str) {
        let mut codes = parameters
            .split([';', ':'])
            .map(|code| code.parse::<u16>().unwrap_or(0));
        let style = &mut self.style;
        while let Some(code) = codes.next() {
            match code {
                0 => *style = Style::default(),
                1 => style.bold = true,
                2 => style.faint = true,
                3 => style.italic = true,
                4 => style.underline = true,
                7 => style.reverse = true,
                22 => (style.bold, style.faint) = (false, false),
                23 => style.italic = false,
                24 => style.underline = false,
                27 => style.reverse = false,
                30..=37 => style.foreground = Color::Indexed(small(code - 30)),
                38 => style.foreground = extended(&mut codes).unwrap_or(style.foreground),
                39 => style.foreground = Color::Default,
                40..=47 => style.background = Color::Indexed(small(code - 40)),
                48 => style.background = extended(&mut codes).unwrap_or(style.background),
                49 => style.background = Color::Default,
                90..=97 => style.foreground = Color::Indexed(small(code - 90 + 8)),
                100..=107 => style.background = Color::Indexed(small(code - 100 + 8)),
                _ => {}
            }
        }
    }
}

/// `5;n` or `2;r;g;b`, after 38 or 48.
fn extended(codes: &mut impl Iterator<Item = u16>) -> Option<Color> {
    match codes.next()? {
        5 => Some(Color::Indexed(small(codes.next()?))),
        2 => {
            let mut part = || codes.next().map(small);
            Some(Color::Rgb(part()?, part()?, part()?))
        }
        _ => None,
    }
}

fn small(code: u16) -> u8 {
    u8::try_from(code).unwrap_or(u8::MAX)
}

/// How many columns a character takes: the ranges that terminals draw wide, in brief
/// (Unicode's East Asian Width, W and F), and marks that take none.
fn columns(c: char) -> usize {
    match u32::from(c) {
        0x0300..=0x036f | 0x200b..=0x200f | 0x20d0..=0x20ff | 0xfe00..=0xfe0f => 0,
        0x1100..=0x115f
        | 0x2e80..=0x303e
        | 0x3041..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1f64f
        | 0x1f680..=0x1f6ff
        | 0x1f900..=0x1f9ff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_to_see() {
        let check = |session: &str, expected: &[&str]| {
            let rows = Screen::play(session).into_rows();
            let text = |row: &Vec<Cell>| row.iter().filter_map(|cell| cell.character).collect();
            let rows: Vec<String> = rows.iter().map(text).collect();
            assert_eq!(rows, expected, "{session:?}");
        };
        check("one\ntwo\n\n", &["one", "two"]);
        check("one\r\n\r\ntwo  ", &["one", "", "two"]);
        check("half\rfull", &["full"]);
        check("longer\rab\x1b[K", &["ab"]);
        check("x\r\x1b[2Ky", &["y"]);
        check(
            "10%\n 5%\n\x1b[2A\x1b[Kdone\n\x1b[Kdone\n",
            &["done", "done"],
        );
        check("a\nb\nc\x1b[2A\x1b[Jz", &["az"]);
        check(
            "\x1b]0;title\x07x\x1b]8;;file:///y\x1b\\y\x1b]8;;\x1b\\",
            &["xy"],
        );
        check("\x1b[?25l\x1b[?2004hx\x1b[?25h", &["x"]);
        check("a\tb", &["a       b"]);
        check("ab\x08c\x1b[5Gd", &["ac  d"]);
        check("中x", &["中x"]);
        check("cut \x1b[3", &["cut"]);
        check("\x1b(Bx\x1b=y", &["xy"]);
    }

    #[test]
    fn colours_and_weights_are_kept_until_they_are_changed() {
        let check = |sequence: &str, expected: Style| {
            let rows = Screen::play(&format!("{sequence}x")).into_rows();
            assert_eq!(rows[0][0].style, expected, "{sequence:?}");
        };
        let style = Style::default();
        let fore = |foreground| Style {
            foreground,
            ..style
        };
        let back = |background| Style {
            background,
            ..style
        };
        check("\x1b[31m", fore(Color::Indexed(1)));
        check("\x1b[92m", fore(Color::Indexed(10)));
        check("\x1b[31;39m", style);
        check("\x1b[1;31m\x1b[m", style);
        check("\x1b[44m", back(Color::Indexed(4)));
        check("\x1b[103m", back(Color::Indexed(11)));
        check("\x1b[38;5;208m", fore(Color::Indexed(208)));
        check("\x1b[38;2;1;2;3m", fore(Color::Rgb(1, 2, 3)));
        check("\x1b[48;5m", style);
        check(
            "\x1b[1;2;22;3m",
            Style {
                italic: true,
                ..style
            },
        );
        check(
            "\x1b[4;7m",
            Style {
                underline: true,
                reverse: true,
                ..style
            },
        );
    }

    #[test]
    fn a_sequence_cannot_fill_the_memory() {
        let screen = Screen::play("\x1b[99999999999C\x1b[4294967295Bx");
        assert!(screen.into_rows().len() <= FARTHEST + 1);
    }
}
