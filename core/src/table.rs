//! Tables as Docker prints them: as wide as their content, three spaces between.

/// The least width of a column with its padding; Docker's tables have the same.
const LEAST: usize = 10;
const PADDING: usize = 3;

/// Lays out rows in columns. The last column is not padded.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let widest = rows.iter().filter_map(|row| row.get(column));
        let widest = widest.map(|cell| cell.chars().count()).max().unwrap_or(0);
        (widest + PADDING).max(LEAST)
    };
    let widths: Vec<_> = (0..columns).map(width).collect();
    let mut out = String::new();
    for row in rows {
        for (i, cell) in row.iter().enumerate() {
            out.push_str(cell);
            if i + 1 < row.len() {
                let padding = widths[i] - cell.chars().count();
                out.extend(std::iter::repeat_n(' ', padding));
            }
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_content() {
        let rows = [
            ["REPOSITORY", "TAG", "SIZE"],
            ["base", "a-longer-tag", "1.2MB"],
        ];
        let rows = rows.map(|row| row.map(str::to_owned).to_vec());
        insta::assert_snapshot!(table(&rows), @r"
        REPOSITORY   TAG            SIZE
        base         a-longer-tag   1.2MB
        ");
    }
}
