//! [`is_visible`]: whether a name shows everything that is in it.

use icu_properties::props::{DefaultIgnorableCodePoint, GeneralCategoryGroup, Script};
use icu_properties::{CodePointMapData, CodePointSetData};

/// How many marks a letter may carry. No name needs more, and a stack of marks covers the lines around it.
const MAX_MARKS: usize = 2;

/// Characters that Unicode counts as letters or symbols, but that have no ink: an empty Braille pattern, two blank
/// hieroglyphs, a note without a head, and the place of an object that is not there.
const BLANK: [char; 5] = [
    '\u{2800}',
    '\u{13441}',
    '\u{13442}',
    '\u{1D159}',
    '\u{FFFC}',
];

/// Returns whether all of `text` can be seen, so that no two names look the same because one of them has something
/// invisible in it.
///
/// Refused are control and format characters such as U+200B and U+202E, line ends, what Unicode has not assigned or
/// leaves to private use (the general categories C, Zl and Zp), fillers and variation selectors
/// (`Default_Ignorable_Code_Point`), blank symbols, and marks without a letter of their script, or more than two on
/// one. Emoji that are joined from several, or that need U+FE0F, are therefore refused, too.
///
/// RFC 8266 (PRECIS nicknames) is the standard for this. Its tables end with Unicode 6.3, so it refuses every newer
/// letter, and it accepts blanks and stacks of marks.
#[must_use]
pub fn is_visible(text: &str) -> bool {
    let scripts = CodePointMapData::<Script>::new();
    let marks = GeneralCategoryGroup::Mark;
    let mut base = None;
    let mut mark_count = 0;
    for letter in text.chars() {
        if is_invisible(letter) {
            return false;
        }
        if !marks.contains(CodePointMapData::new().get(letter)) {
            base = Some(scripts.get(letter)).filter(|_| !letter.is_whitespace());
            mark_count = 0;
            continue;
        }
        mark_count += 1;
        let script = scripts.get(letter);
        let fits = script == Script::Inherited || script == Script::Common || base == Some(script);
        if base.is_none() || !fits || mark_count > MAX_MARKS {
            return false;
        }
    }
    true
}

fn is_invisible(letter: char) -> bool {
    let line_ends =
        GeneralCategoryGroup::LineSeparator.union(GeneralCategoryGroup::ParagraphSeparator);
    let invisible = GeneralCategoryGroup::Other.union(line_ends);
    let ignorable = CodePointSetData::new::<DefaultIgnorableCodePoint>();
    invisible.contains(CodePointMapData::new().get(letter))
        || ignorable.contains(letter)
        || BLANK.contains(&letter)
}

#[cfg(test)]
mod tests {
    use super::is_visible;

    /// Each of them makes a name that looks like "Ann", or like nothing at all.
    #[test]
    fn a_character_without_a_glyph_is_refused() {
        let invisible = "\u{ad}\u{34f}\u{61c}\u{115f}\u{1160}\u{17b4}\u{180e}\u{200b}\u{200c}\u{200d}\u{200e}\
                         \u{2028}\u{2029}\u{202a}\u{202e}\u{2060}\u{2066}\u{2069}\u{206f}\u{2800}\u{3164}\u{fe00}\
                         \u{fe0f}\u{feff}\u{ffa0}\u{fff9}\u{fffc}\u{1d159}\u{1d173}\u{e0001}\u{e0041}\u{e0100}\
                         \u{378}\u{e000}\u{10ffff}\u{13441}\u{13442}\n\t\0\u{7f}\u{85}";
        for letter in invisible.chars() {
            assert!(!is_visible(&format!("A{letter}nn")), "{letter:?}");
            assert!(!is_visible(&letter.to_string()), "{letter:?}");
        }
    }

    /// A mark of another script shows nothing, and a stack of marks covers what is around the name.
    #[test]
    fn marks_need_a_letter_of_their_script_and_are_two_at_most() {
        for bad in [
            "\u{301}",
            "a \u{301}",
            "Bob\u{2d7f}",
            "Bob\u{1107f}",
            "Bob\u{16fe4}",
            "a\u{301}\u{301}\u{301}",
        ] {
            assert!(!is_visible(bad), "{bad:?}");
        }
        for good in ["a\u{323}\u{301}", "\u{2d30}\u{2d7f}"] {
            assert!(is_visible(good), "{good:?}");
        }
    }

    #[test]
    fn names_of_all_kinds_are_accepted() {
        for good in [
            "Zoë",
            "Zoe\u{308}",
            "نور",
            "مُحَمَّد",
            "नमस्ते",
            "ไทย",
            "กำธร",
            "Nguyễn",
            "יוֹסֵף",
            "山田\u{3000}太郎",
            "🦀",
            "O'Neil-Ann 2",
            "<script>",
        ] {
            assert!(is_visible(good), "{good:?}");
        }
    }
}
