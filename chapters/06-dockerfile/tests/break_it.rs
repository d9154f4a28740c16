//! Break it: who reads a Dockerfile line by line cuts every longer step to pieces.

use ch06_dockerfile::{Logical, instruction, parse};

const TEXT: &str = "FROM debian\nRUN apt-get update \\\n    && apt-get install -y python3\n";

/// `logical_lines` without joining.
fn one_by_one(text: &str) -> Vec<Logical> {
    let line = |(number, line): (usize, &str)| {
        let mut logical = Logical::default();
        logical.push(line, number);
        logical
    };
    (1..).zip(text.lines()).map(line).collect()
}

#[test]
fn without_joining_a_step_becomes_two_wrong_ones() {
    let lines = one_by_one(TEXT);
    assert_eq!(lines.len(), 3);
    // The second has a backslash at its end, and the third begins with what is no instruction.
    let problem = instruction(&lines[2]).unwrap_err();
    assert_eq!(problem.message, "&&: there is no such instruction");

    let (steps, problems) = parse(TEXT);
    assert_eq!((steps.len(), problems.len()), (2, 0));
}
