"""The texts that the goldens are computed on: invented sentences, with difficult cases.

Each corpus has hypotheses of one system, and of another for the paired tests, and two streams of references.
"""

import random

EUROPEAN = {
    "hypotheses": [
        "The old lighthouse keeper has counted 1,204 ships since March.",
        "Nobody in the village knew why the bells rang twice.",
        "\"We'll be back at 7.30,\" she said - and wasn't.",
        "It costs $3.50/kg (or £2.80), tax & all.",
        "Die Straßenbahn fährt heute nicht, weil es geschneit hat.",
        "Der Bäcker verkauft 12,5 kg Brot - jeden Tag!",
        "Ein deutsch-französisches Wörterbuch liegt auf dem Tisch.",
        "Prices rose 3.5% in 2019-2020; wages didn't.",
        "Two goats stood on the roof and looked at us.",
        "",
        "Yes.",
        "the the the the the the the",
    ],
    "other": [
        "The old keeper of the lighthouse counted 1,204 ships since March.",
        "In the village nobody knew why the bells had rung twice.",
        "\"We will be back at 7:30\", she said, and was not.",
        "It costs $3.50 a kilo (£2.80), all taxes included.",
        "Heute fährt die Straßenbahn nicht, weil es geschneit hat.",
        "Der Bäcker verkauft täglich 12,5 kg Brot!",
        "Auf dem Tisch liegt ein deutsch-französisches Wörterbuch.",
        "Prices rose by 3.5% in 2019-2020, but wages did not.",
        "On the roof stood two goats and looked at us.",
        "Silence.",
        "Yes!",
        "The cat is under the table.",
    ],
    "references": [
        [
            "Since March the old lighthouse keeper has counted 1,204 ships.",
            "No one in the village knew why the bells had rung twice.",
            "\"We'll be back at 7.30,\" she said, and she wasn't.",
            "It costs $3.50/kg (£2.80), taxes & all.",
            "Die Straßenbahn fährt heute nicht, da es geschneit hat.",
            "Der Bäcker verkauft jeden Tag 12,5 kg Brot!",
            "Auf dem Tisch liegt ein deutsch-französisches Wörterbuch.",
            "Prices rose by 3.5% in 2019-2020; wages did not.",
            "Two goats were standing on the roof, looking at us.",
            "Nothing.",
            "Yes, of course.",
            "The cat is on the table.",
        ],
        [
            "The old keeper of the lighthouse has counted 1204 ships since March.",
            "Nobody in the village knew why the bells rang two times.",
            "\"We're back at half past seven,\" she said - she was not.",
            "It's $3.50/kg (or £2.80), all taxes included.",
            "Weil es geschneit hat, fährt heute keine Straßenbahn.",
            "Jeden Tag verkauft der Bäcker 12,5 Kilo Brot.",
            "Ein Wörterbuch Deutsch-Französisch liegt auf dem Tisch.",
            "In 2019-2020 prices rose 3.5%, wages didn't.",
            "Two goats stood on the roof and stared.",
            "",
            "Yes",
            "There is a cat on the table, the black one.",
        ],
    ],
}

CHINESE = {
    "hypotheses": [
        "昨天晚上我們在湖邊看到了三隻白鷺。",
        "這本書的價格是25.80元,比去年貴了10%。",
        "她說:“火車八點開,別遲到!”",
        "新的iPhone15在上海賣得很好(第1-2週)。",
        "",
        "⼈⼝增加了𠀀𪛖個。",
    ],
    "other": [
        "我們昨晚在湖旁看見三隻白色的鳥。",
        "這本書比去年貴10%,現在25.80元。",
        "她說:“火車8點開,不要遲到!”",
        "新iPhone 15在上海很暢銷(第一、二週)。",
        "空",
        "⼈⼝增加了。",
    ],
    "references": [
        [
            "昨晚我們在湖邊看見了三隻白鷺。",
            "這本書賣25.80元,比去年貴10%。",
            "她說:“火車八點開,不要遲到!”",
            "新款iPhone15在上海很暢銷(第1-2週)。",
            "沒有。",
            "⼈⼝增加了𠀀𪛗個。",
        ],
        [
            "我們昨天夜裡在湖邊看到三隻白鷺。",
            "此書定價25.80元,較去年貴了10%。",
            "她說火車八點開,別遲到。",
            "新的iPhone 15頭兩週在上海賣得很好。",
            "",
            "⼈⼝增長了𠀀個。",
        ],
    ],
}

JAPANESE = {
    "hypotheses": [
        "きのうの夜、湖のそばで白い鳥を三羽見ました。",
        "このコーヒーは４５０円です(税込み)。",
        "「電車は8時に出るよ」と彼女は言った!",
        "カタカナ・ひらがな・漢字、ﾊﾝｶｸも。㍿テスト㈱①",
        "ㇰㇱ々〆ヶ〇〒",
    ],
    "other": [
        "きのう、湖で白い鳥を三羽見た。",
        "コーヒーは450円です(税込)。",
        "彼女は「電車は8時に出る」と言った。",
        "漢字・カタカナ・ひらがな。",
        "ㇰㇱ〒",
    ],
    "references": [
        [
            "昨夜、湖のほとりで白い鳥を三羽見ました。",
            "このコーヒーは税込み４５０円です。",
            "「電車は8時に出るよ!」と彼女が言った。",
            "カタカナ、ひらがな、漢字、ﾊﾝｶｸも。㍿試験㈱②",
            "ㇰㇱ々ヶ〇",
        ],
        [
            "きのうの夜、湖畔で三羽の白い鳥を見た。",
            "このコーヒーは450円(税込み)です。",
            "彼女は「電車は八時だよ」と言った。",
            "片仮名・平仮名・漢字、半角も。",
            "々〆ヶ〇〒",
        ],
    ],
}

# Entities, markup, line breaks within a segment, white space of all kinds, cases that lower-casing changes in length,
# digits and punctuation beyond ASCII, marks, emoji, private use, unassigned code points.
ODD = {
    "hypotheses": [
        "&quot;Fish &amp; chips&quot; &lt;b&gt; &amp;lt; &amp;quot; &apos; & co",
        "a hyphen-\nated word and\na new line\r\nend -\n",
        "<skipped> the rest <skip<skipped>ped> .",
        "\u00a0no\u2009break\u3000space\u0085next\u001cfile\u001funit\u200bzero\ufeffbom\t\t",
        "İSTANBUL Iğdır ΟΔΥΣΣΕΥΣ ΣΑΣ. Straße ǅ ﬁ K Å",
        "½ Ⅻ ² ٣٫٥ १,२ 3٫5. 10。5 5,000、000 1.a 2,b .5 5. ,5 5,",
        "«Quoi ?» ¿Qué? ‹x› „gut“ — – ‐ … ‰ № ¶ § † • ‧ ′",
        "👩‍🚀 e\u0301 é ☃︎ ♥ ∑ ≠ ± €5 5€ $$ ^^ `tick` ~~ ||| {x} [y] \\z",
        "\ue000 \U000e0001 \u0378 \ufffd \U0010fffd a\u0301\u0327",
        "...,,,---///''' .,.,.1.,.,. 1-2-3--4 -5 '90s dog's 's's x's",
        "   ",
        "don't stop.. 3.14.15, 1,2,3,, (a)(b) a/b c&d e@f g#h i%j k*l m+n o=p q_r",
        " .",
        "v1...3 and 1..2\n-x it's\u3000so 7.'s .,5",
    ],
    "other": [
        "\"Fish & chips\" <b> < \" ' & co",
        "a hyphenated word and a new line end",
        "the rest.",
        "no break space next file unit zero bom",
        "istanbul ığdır odysseus SAS strasse",
        "1/2 XII 2 3.5 1,2",
        "« Quoi ? » ¿Qué?",
        "👩‍🚀 é ☃ ♥",
        "\ue000",
        "... --- ///",
        "\u3000",
        "don't stop",
        "",
        "",
    ],
    "references": [
        [
            "\"Fish &amp; chips\" <b> &lt; \" &apos; & co",
            "a hyphenated word and a new-\nline end",
            "the rest.",
            "no break space next file\u001dunit zero bom",
            "i̇stanbul ığdır οδυσσευς σας. strasse ǆ fi k å",
            "½ Ⅻ ² ٣٫٥ १,२ 3٫5. 10。5 5,000、000 1.b 2,a .5 5. ,5 5,",
            "«Quoi?» ¿Qué? ‹x› \"gut\" - – ‐ ... ‰ № ¶ § † • ‧ ′",
            "👩‍🚀 é e\u0301 ☃ ♥ ∑ ≠ ± 5€ €5 $$ ^^ `tick` ~~ || {x} [y] \\z",
            "\ue000 \U000e0001 \u0379 \ufffd a\u0327\u0301",
            "...,,---//'' .,.,.1.,.,. 1-2-3-4 -5 '90s dog's 's x's",
            "",
            "don't stop... 3.14.15, 1,2,3, (a)(b) a/b c&d e@f g#h i%j k*l m+n o=p q_r",
            ".",
            "v1...3 and 1..2\n-x it's\u3000so 7.'s .,5",
        ],
        [
            "Fish and chips",
            "hyphen-ated",
            "the <skipped> rest",
            "\u2028no\u2029break\u1680space\u180enext",
            "İstanbul IĞDIR Οδυσσεύς ΣΑΣ Straße",
            "1/2 12 2 3,5",
            "« Quoi ? » Qué",
            "astronaut ☃︎",
            "\U0010fffd",
            "1-2-3--4",
            " \u3000 ",
            "",
            "",
            "v1 . . .3 and1 it's so",
        ],
    ],
}

# Nothing in common, an empty hypothesis, an empty reference.
NOTHING = {
    "hypotheses": ["completely different words", "", "x"],
    "other": ["", "", ""],
    "references": [["quite another sentence here", "", "y"], ["", "", ""]],
}


def shuffled(seed: int, n_segments: int, n_words: int) -> dict:
    """Sentences of few distinct words and bad translations of them, for shifts and matches."""
    rng = random.Random(seed)
    words = "river stone mill barn gate frost plough hedge lamb crow dusk oats".split()

    def disturb(sentence: list[str], strength: float) -> list[str]:
        sentence = list(sentence)
        for _ in range(round(strength * len(sentence))):
            kind = rng.randrange(4)
            start = rng.randrange(len(sentence) + 1)
            phrase = sentence[start : start + rng.randint(1, 5)]
            if kind == 0:
                sentence[start : start + len(phrase)] = []
                at = rng.randrange(len(sentence) + 1)
                sentence[at:at] = phrase
            elif kind == 1:
                sentence[start : start + 1] = []
            elif kind == 2:
                sentence.insert(start, rng.choice(words))
            else:
                sentence[start : start + 1] = [rng.choice(words).capitalize()]
        return sentence

    corpus = {"hypotheses": [], "other": [], "references": [[], [], []]}
    for _ in range(n_segments):
        sentence = [rng.choice(words) for _ in range(rng.randint(0, n_words))]
        corpus["hypotheses"].append(" ".join(disturb(sentence, 0.2)))
        corpus["other"].append(" ".join(disturb(sentence, 0.25)))
        for stream, strength in zip(corpus["references"], [0.0, 0.15, 0.3]):
            stream.append(" ".join(disturb(sentence, strength)))
    return corpus


def long() -> dict:
    """Long sentences, and one word compared with a long sentence: the widest beam of the edit distance."""
    corpus = shuffled(2, 3, 160)
    corpus["hypotheses"].append("oats")
    corpus["other"].append("crow mill")
    for stream in corpus["references"]:
        stream.append(max(stream, key=len))
    return corpus


CORPORA = {
    "european": EUROPEAN,
    "chinese": CHINESE,
    "japanese": JAPANESE,
    "odd": ODD,
    "nothing": NOTHING,
    "shuffled": shuffled(1, 60, 24),
    "long": long(),
}
