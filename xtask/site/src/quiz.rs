//! `{{#quiz CHAPTER}}`: questions with folded answers, from data.

use std::path::Path;

use serde::Deserialize;

use crate::{Result, html, read};

/// How many questions end a chapter, and the tour before the first: one for each of its four words.
const QUESTIONS: usize = 3;
const QUESTIONS_OF_THE_VOYAGE: usize = 4;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Quiz {
    question: Vec<Question>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    text: String,
    /// What to think about for oneself.
    answer: Option<String>,
    /// What to choose from.
    #[serde(default)]
    choice: Vec<Choice>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Choice {
    text: String,
    #[serde(default)]
    right: bool,
    why: String,
}

/// What stands in the page for the questions of a chapter.
pub(crate) fn expand(project: &Path, chapter: &str) -> Result<String> {
    let file = format!("book/quizzes/{chapter}.toml");
    let quiz: Quiz =
        toml::from_str(&read(project, &file)?).map_err(|error| format!("{file}: {error}"))?;
    let wanted = if chapter == "voyage" {
        QUESTIONS_OF_THE_VOYAGE
    } else {
        QUESTIONS
    };
    check(&quiz, wanted).map_err(|why| format!("{file}: {why}"))?;
    let questions = quiz.question.iter().map(question).collect::<String>();
    Ok(format!(
        "<coracle-quiz>\n<ol class=\"quiz\">\n{questions}</ol>\n</coracle-quiz>"
    ))
}

fn check(quiz: &Quiz, wanted: usize) -> Result<()> {
    let count = quiz.question.len();
    if count != wanted {
        return Err(format!("{count} questions; this page ends with {wanted}"));
    }
    for (number, question) in (1..).zip(&quiz.question) {
        match (&question.answer, question.choice.as_slice()) {
            (Some(_), []) => {}
            (None, choices @ [_, _, ..]) => {
                if !choices.iter().any(|choice| choice.right) {
                    return Err(format!("question {number} has no right choice"));
                }
                if choices.iter().all(|choice| choice.right) {
                    return Err(format!("question {number} has no wrong choice"));
                }
            }
            _ => return Err(format!("question {number} needs an answer, or choices")),
        }
    }
    Ok(())
}

fn question(question: &Question) -> String {
    let text = html::inline(&question.text);
    let body = if let Some(answer) = &question.answer {
        folded("Answer", &html::inline(answer))
    } else {
        let choices = question.choice.iter().map(choice).collect::<String>();
        format!("<ul>\n{choices}</ul>\n")
    };
    format!("<li><p>{text}</p>\n{body}</li>\n")
}

fn choice(choice: &Choice) -> String {
    let verdict = if choice.right { "Yes." } else { "No." };
    let why = format!("<strong>{verdict}</strong> {}", html::inline(&choice.why));
    format!(
        "<li>{}</li>\n",
        folded(&html::inline(&choice.text), &why).trim_end()
    )
}

fn folded(summary: &str, text: &str) -> String {
    format!("<details><summary>{summary}</summary><p>{text}</p></details>\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(text: &str) -> Result<()> {
        check(
            &toml::from_str(text).map_err(|error| error.to_string())?,
            QUESTIONS,
        )
    }

    #[test]
    fn a_quiz_that_asks_nothing_is_refused() {
        let open = "[[question]]\ntext = \"a\"\nanswer = \"b\"\n";
        assert_eq!(checked(&open.repeat(3)), Ok(()));
        assert!(checked(open).unwrap_err().contains("1 questions"));
        let choice = |right: bool| {
            format!("[[question.choice]]\ntext = \"x\"\nwhy = \"y\"\nright = {right}\n")
        };
        let with = |one: bool, two: bool| {
            let chosen = format!("[[question]]\ntext = \"c\"\n{}{}", choice(one), choice(two));
            checked(&format!("{}{chosen}", open.repeat(2)))
        };
        assert_eq!(with(true, false), Ok(()));
        assert!(with(false, false).unwrap_err().contains("no right choice"));
        assert!(with(true, true).unwrap_err().contains("no wrong choice"));
        let neither = format!("{}[[question]]\ntext = \"c\"\n", open.repeat(2));
        assert!(checked(&neither).unwrap_err().contains("needs an answer"));
        assert!(checked("[[question]]\ntekst = \"a\"").is_err());
    }
}
