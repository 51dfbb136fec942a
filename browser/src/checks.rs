//! What a reader does with the page, and what must come of it.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::browser::Browser;

/// The control key, and one that selects everything with it, as WebDriver writes keys.
const CONTROL: char = '\u{e009}';
const RIGHT: &str = "\u{e014}";

/// The translation, and whether it is of the text that is written.
const TRANSLATION: &str = "document.querySelector('output').textContent";
const SETTLED: &str = "document.querySelector('output').getAttribute('aria-busy') === 'false'
    && document.querySelector('.says').textContent
    && document.querySelector('.backdrop').textContent === document.querySelector('#source').value";
const SAYS: &str = "document.querySelector('.says').textContent";

/// The lecture's two sentences are examples: the page opens with the first.
pub async fn opens_with_an_example(browser: &Browser) -> Result<()> {
    browser.wait(SETTLED).await?;
    let source = browser.text("document.querySelector('#source').value").await?;
    ensure!(source == "The animal did not cross the street because it was too tired.", "it opens with {source:?}");
    let says = browser.text(SAYS).await?;
    ensure!(says.starts_with("writing ") || says.starts_with("reading "), "it says {says:?}");
    Ok(())
}

/// A click on the other example swaps the word; `right` says whether the model is good enough to be held to it.
pub async fn swaps_the_word(browser: &Browser, right: bool) -> Result<()> {
    let tired = browser.text(TRANSLATION).await?;
    browser.click(".chip:nth-of-type(2)").await?;
    browser.wait(&format!("document.querySelector('#source').value.includes('wide') && {SETTLED}")).await?;
    let wide = browser.text(TRANSLATION).await?;
    if right {
        ensure!(tired.contains(" es "), "tired: {tired:?} has no `es`");
        ensure!(wide.contains(" sie "), "wide: {wide:?} has no `sie`");
        let chosen = browser.text("document.querySelector('[aria-selected=true]').textContent").await?;
        ensure!(["sie", "it"].contains(&chosen.as_str()), "the word that is looked at is {chosen:?}");
    }
    Ok(())
}

/// A text is translated while it is typed, and nothing below it moves.
pub async fn translates_what_is_typed(browser: &Browser) -> Result<()> {
    browser.click("#source").await?;
    browser.press(&format!("{CONTROL}a{CONTROL}")).await?;
    browser.press("A").await?;
    browser.wait(SETTLED).await?;
    browser
        .run(
            "window.moved = 0; new PerformanceObserver((list) => { for (const entry of list.getEntries())
        moved += entry.sources.some(({ node }) => node?.matches?.('.pane, .pane-foot, output, #inside')) ? entry.value : 0;
    }).observe({ type: 'layout-shift' })",
        )
        .await?;
    for letter in [" ", "w", "o", "m", "a", "n", " ", "s", "l", "e", "e", "p", "s", "."] {
        browser.press(letter).await?;
    }
    browser.wait(SETTLED).await?;
    let source = browser.text("document.querySelector('#source').value").await?;
    ensure!(source == "A woman sleeps.", "what was typed is {source:?}");
    let moved = browser.run("return moved").await?;
    ensure!(moved == json!(0), "the two texts move by {moved} while one types");
    Ok(())
}

/// The pointer on a word says what it looks at, and lights up both texts; so do the arrow keys.
pub async fn follows_pointer_and_keyboard(browser: &Browser) -> Result<()> {
    browser.hover("[role=option]:nth-of-type(2)").await?;
    let chosen = "document.querySelector('[aria-selected=true]')";
    let second = "document.querySelectorAll('[role=option]')[1]";
    browser.wait(&format!("{chosen} === {second}")).await?;
    let (word, says) = (browser.text(&format!("{chosen}.textContent")).await?, browser.text(SAYS).await?);
    ensure!(says.contains(&format!("ing {word}: looks")), "on {word:?} it says {says:?}");
    ensure!(
        browser.run("return document.querySelectorAll('.panes .chosen').length").await? == json!(1),
        "no word is lit"
    );
    ensure!(
        browser.run("return document.querySelectorAll('.lines path').length > 0").await? == json!(true),
        "no lines"
    );

    browser.click("[role=option]:nth-of-type(2)").await?;
    browser.press(RIGHT).await?;
    browser.wait(&format!("document.activeElement === {second}.nextElementSibling")).await?;
    browser.wait(&format!("{chosen} === document.activeElement")).await
}

/// A click on a small map shows it large, with its numbers as a table.
pub async fn opens_a_map(browser: &Browser) -> Result<()> {
    browser.click(".heads tbody tr:nth-of-type(1) td:nth-of-type(2) button").await?;
    browser.wait("document.querySelector('figcaption').textContent.includes('layer 1, head 2')").await?;
    browser.click(".map .numbers summary").await?;
    browser.wait("document.querySelector('.map table')").await?;
    let sums = browser
        .run(
            "return [...document.querySelectorAll('.map tbody tr')].map((row) =>
                [...row.querySelectorAll('td')].reduce((sum, cell) => sum + parseFloat(cell.textContent), 0))",
        )
        .await?;
    let sums: Vec<f64> = sums.as_array().context("no rows")?.iter().filter_map(Value::as_f64).collect();
    ensure!(!sums.is_empty() && sums.iter().all(|sum| (sum - 100.0).abs() < 5.0), "rows sum to {sums:?} %");

    for (name, verb) in [("encoder", "reading"), ("decoder", "writing")] {
        browser
            .run(&format!(
                "[...document.querySelectorAll('.tools button')].find((one) => one.textContent === '{name}').click()"
            ))
            .await?;
        browser
            .wait(&format!(
                "{SAYS}.startsWith('{verb} ') && document.querySelector('figcaption').textContent.includes('{name}')"
            ))
            .await?;
    }
    Ok(())
}

/// All heads are shown in their colours: as many lines' colours as heads.
pub async fn shows_all_heads(browser: &Browser) -> Result<()> {
    browser
        .run("[...document.querySelectorAll('.tools button')].find((one) => one.textContent === 'all heads').click()")
        .await?;
    browser
        .wait("document.querySelectorAll('.bars').length === document.querySelector('.words').children.length")
        .await?;
    browser.wait("new Set([...document.querySelectorAll('.lines path')].map((line) => line.getAttribute('stroke'))).size > 1").await
}

/// What a screen reader finds in the view of a translator.
pub async fn can_be_read_aloud(browser: &Browser) -> Result<()> {
    let tree = browser.accessibility_tree().await?;
    let has = |role: &str, name: &str| tree.iter().any(|(own, text)| own == role && text.contains(name));
    for (role, name) in [
        ("combobox", "model"),
        ("textbox", ""),
        ("listbox", "Words of the translation"),
        ("group", "Words written before"),
        ("option", ": looks "),
        ("button", "layer 1, head 1"),
        ("image", "The table has its numbers"),
        ("table", "attention"),
        ("status", ""),
        ("link", "Inside"),
    ] {
        let names: Vec<_> = tree.iter().filter(|(own, _)| own == role).map(|(_, name)| name).collect();
        ensure!(has(role, name), "a screen reader finds no {role} named {name:?}, but {names:?}");
    }
    let nameless: Vec<_> = tree
        .iter()
        .filter(|(role, name)| {
            ["button", "link", "textbox", "combobox", "checkbox", "spinbutton", "option"].contains(&role.as_str())
                && name.is_empty()
        })
        .collect();
    ensure!(nameless.is_empty(), "without a name: {nameless:?}");
    Ok(())
}

/// The choice of models has its name on every screen, seen or not.
pub async fn names_the_choice_of_models(browser: &Browser) -> Result<()> {
    let tree = browser.accessibility_tree().await?;
    let names: Vec<&str> = tree.iter().filter(|(role, _)| role == "combobox").map(|(_, name)| &**name).collect();
    ensure!(names.contains(&"model"), "no combobox is named model, but {names:?}");
    Ok(())
}

/// A language model writes, token by token; another token writes on from there.
pub async fn completes(browser: &Browser) -> Result<()> {
    browser.wait("document.querySelector('#prompt')").await?;
    browser.run("document.querySelector('input[type=number]').value = 12").await?;
    browser.click("#prompt").await?;
    // A short one: the golden model has 16 positions.
    browser.press(&format!("{CONTROL}a{CONTROL}the animal")).await?;
    browser.click("button.main").await?;
    browser.wait("document.querySelectorAll('.written .token').length > 3").await?;
    browser.wait("document.querySelector('.written').getAttribute('aria-busy') === 'false'").await?;
    // Not the first, and one that shows: what this model writes may be nothing but a space.
    let shown = "[...document.querySelectorAll('.written .token')].slice(1).find((token) => token.offsetWidth > 2)";
    browser.run(&format!("{shown}.id = 'shown'")).await?;
    browser.click("#shown").await?;
    browser.wait("document.querySelectorAll('aside li').length > 1").await?;
    let first = browser.text("document.querySelector('.written .token').textContent").await?;
    browser.click("aside li button:not([aria-current=true])").await?;
    browser.wait("document.querySelectorAll('.written .token').length > 2").await?;
    let kept = browser.text("document.querySelector('.written .token').textContent").await?;
    ensure!(first == kept, "the token before the other one was {first:?} and is {kept:?}");
    Ok(())
}

/// An encoder finds hidden words, and compares vectors.
pub async fn fills_and_compares(browser: &Browser) -> Result<()> {
    browser.wait("document.querySelector('#masked')").await?;
    browser.click("#masked").await?;
    browser.press(&format!("{CONTROL}a{CONTROL}the [MASK] was too tired")).await?;
    browser.wait("document.querySelectorAll('.columns li').length > 1").await?;
    browser.click("#texts").await?;
    browser.press(&format!("{CONTROL}a{CONTROL}the animal\nthe street")).await?;
    browser.wait("document.querySelectorAll('.cosine').length === 4").await?;
    let own = browser.text("document.querySelector('.cosine').textContent").await?;
    ensure!(own == "1.00", "a text compared with itself has a cosine of {own}");
    Ok(())
}

/// Runs are listed, and their curves drawn.
pub async fn draws_curves(browser: &Browser) -> Result<()> {
    browser.wait("document.querySelector('.runs :checked')").await?;
    browser.wait("document.querySelector('.chart .line')").await
}

/// Without a server the page says so, and keeps what it has.
pub async fn says_that_nobody_answers(browser: &Browser) -> Result<()> {
    let before = browser.text(TRANSLATION).await?;
    browser.click("#source").await?;
    browser.press(" It").await?;
    browser.wait("document.querySelector('.status').textContent.includes('does not answer')").await?;
    let after = browser.text(TRANSLATION).await?;
    ensure!(before == after, "the old translation {before:?} has become {after:?}");
    browser.wait("document.querySelector('output').classList.contains('stale')").await
}
