//! The languages of multilingual translators.

use super::settings::{CONFIG, Settings};
use crate::framing::Languages;
use crate::tokenizer::{TokenId, Tokenizer};

/// Those of mBART, in the order of their ids.
pub(super) const MBART: &str = "ar_AR cs_CZ de_DE en_XX es_XX et_EE fi_FI fr_XX gu_IN hi_IN it_IT ja_XX kk_KZ ko_KR lt_LT lv_LV \
                                my_MM ne_NP nl_XX ro_RO ru_RU si_LK tr_TR vi_VN zh_CN";
/// Those that mBART-50 has after mBART's.
pub(super) const MORE_OF_MBART_50: &str = "af_ZA az_AZ bn_IN fa_IR he_IL hr_HR id_ID ka_GE km_KH mk_MK ml_IN mn_MN mr_IN pl_PL ps_AF \
                                           pt_XX sv_SE sw_KE ta_IN te_IN th_TH tl_XX uk_UA ur_PK xh_ZA gl_ES sl_SI";
/// Those of M2M100, in the order of their ids.
const M2M_100: &str = "af am ar ast az ba be bg bn br bs ca ceb cs cy da de el en es et fa ff fi fr fy ga gd gl gu ha he hi hr ht hu \
                       hy id ig ilo is it ja jv ka kk km kn ko lb lg ln lo lt lv mg mk ml mn mr ms my ne nl no ns oc or pa pl ps pt ro \
                       ru sd si sk sl so sq sr ss su sv sw ta th tl tn tr uk ur uz vi wo xh yi yo zh zu";
/// Those of the models of WMT 2021, which are M2M100's in all else.
const WMT_21: &str = "en ha is ja cs ru zh de";

/// The tokens of M2M100's languages, in the order of their ids.
pub(super) fn of_m2m_100(settings: &Settings) -> Result<Vec<String>, String> {
    let languages = match settings.config.get("language_codes").and_then(|codes| codes.as_str()) {
        None | Some("m2m100") => M2M_100,
        Some("wmt21") => WMT_21,
        Some(other) => return Err(format!("{CONFIG} has language_codes = {other:?}; there are m2m100, wmt21")),
    };
    Ok(languages.split_whitespace().map(|language| format!("__{language}__")).collect())
}

/// The languages of a tokenizer, if its class has any: added tokens, or what follows M2M100's vocabulary.
pub(super) fn of(settings: &mut Settings, tokenizer: &dyn Tokenizer) -> Option<Languages> {
    let (name_of, after_source): (fn(&str) -> Option<&str>, bool) = match settings.class.as_deref()? {
        "MBartTokenizer" => (with_country, true),
        "MBart50Tokenizer" => (with_country, false),
        "NllbTokenizer" => (with_country, settings.flag("legacy_behaviour") == Some(true)),
        "M2M100Tokenizer" => (between_lines, false),
        _ => return None,
    };
    let added = tokenizer.added_tokens().into_iter().map(|token| (token.content, token.id));
    let of_vocabulary =
        (0..tokenizer.vocab_size() as TokenId).filter(|_| settings.class.as_deref() == Some("M2M100Tokenizer"));
    let tokens = of_vocabulary.filter_map(|id| Some((tokenizer.token(id)?.into_owned(), id))).chain(added);
    let ids = tokens.filter_map(|(token, id)| Some((name_of(&token)?.to_owned(), id))).collect();
    let mut languages = Languages { ids, after_source, ..Languages::default() };
    if languages.ids.is_empty() {
        return None;
    }
    for (key, usual) in [("src_lang", &mut languages.source), ("tgt_lang", &mut languages.target)] {
        let Some(name) = settings.config.get(key).and_then(|name| name.as_str()) else { continue };
        if languages.ids.contains_key(name) {
            *usual = Some(name.to_owned());
        } else {
            settings
                .notes
                .push(format!("{CONFIG}: {key} = {name:?} is not a language of the vocabulary, and is left out"));
        }
    }
    Some(languages)
}

/// A language with its country or script: `en_XX`, `eng_Latn`.
fn with_country(token: &str) -> Option<&str> {
    let (language, place) = token.split_once('_')?;
    let is_lower = |text: &str| text.chars().all(|c| c.is_ascii_lowercase());
    let is_upper = |text: &str| text.chars().all(|c| c.is_ascii_uppercase());
    let is_place = match place.len() {
        2 => is_upper(place),
        4 => place.split_at_checked(1).is_some_and(|(first, rest)| is_upper(first) && is_lower(rest)),
        _ => false,
    };
    ((2..=3).contains(&language.len()) && is_lower(language) && is_place).then_some(token)
}

/// The language of M2M100's `__en__`.
fn between_lines(token: &str) -> Option<&str> {
    let language = token.strip_prefix("__")?.strip_suffix("__")?;
    (!language.is_empty() && language.chars().all(|c| c.is_ascii_lowercase())).then_some(language)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_languages_are_told_from_other_tokens() {
        for token in ["en_XX", "eng_Latn", "zho_Hans", "ast_ES"] {
            assert_eq!(with_country(token), Some(token));
        }
        for token in ["<s>", "<mask>", "en", "en_xx", "EN_XX", "e_XX", "mask_XX", "en_Latin", "en_ЖЖ"] {
            assert_eq!(with_country(token), None, "{token}");
        }
        assert_eq!(between_lines("__ceb__"), Some("ceb"));
        assert_eq!(["__", "____", "__En__", "en", "_en_"].map(between_lines), [None; 5]);
    }
}
