//! [`is_visible`]: checks that a name has no invisible characters.

use icu_properties::props::{DefaultIgnorableCodePoint, GeneralCategoryGroup, Script};
use icu_properties::{CodePointMapData, CodePointSetData};

/// How many marks a letter may have. No name needs more, and a stack of many marks would cover the lines around it.
const MAX_MARKS: usize = 2;

/// Characters that Unicode counts as letters or symbols, but that show nothing: an empty Braille pattern, two blank
/// hieroglyphs, a null notehead in music, and the placeholder for an embedded object.
const BLANK: [char; 5] = [
    '\u{2800}',
    '\u{13441}',
    '\u{13442}',
    '\u{1D159}',
    '\u{FFFC}',
];

/// Returns whether every character of `text` can be seen. Otherwise two names could look the same, because one of them
/// contains something invisible.
///
/// The function refuses:
///
/// - control and format characters such as U+200B and U+202E, line breaks, and characters that are unassigned or for
///   private use (the general categories C, Zl and Zp);
/// - fillers and variation selectors (`Default_Ignorable_Code_Point`), and the characters of `BLANK`;
/// - a mark without a letter before it, or after a letter of another script, and more than two marks on a letter.
///
/// So it also refuses emoji that are joined from several characters, or that need U+FE0F.
///
/// RFC 8266 (PRECIS nicknames) is the standard for this. But its tables end with Unicode 6.3, so it refuses all newer
/// letters, and it accepts blank characters and stacks of marks.
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

/// Returns whether a character shows nothing, wherever it is.
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

    /// With each of these characters a name would look like "Ann", or like nothing at all.
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
    fn marks_need_a_letter_and_are_two_at_most() {
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
