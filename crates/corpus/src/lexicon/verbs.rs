//! The verbs, written as a dictionary writes them: their principal parts and their complements.

use super::kinds::*;
use super::prepositions::{self as prep, Preposition};
use crate::english::EnglishVerb;
use crate::german::GermanVerb;

/// A verb of both languages.
#[derive(Debug, PartialEq, Eq)]
pub struct Verb {
    english: &'static str,
    german: &'static str,
    /// The kinds of its subject.
    pub subject: Kinds,
    /// Its complements.
    pub frame: Frame,
    /// Its course in time.
    pub aspect: Aspect,
    /// The kinds of places for it; none if a place would say nothing.
    pub places: Kinds,
    /// The manners that fit it.
    pub manners: Manners,
    /// Whether a person goes somewhere to do it, and does it for somebody.
    pub errand: bool,
}

/// The complements of a verb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    /// Nothing: *schlafen*.
    Intransitive,
    /// An accusative object: *kaufen*.
    Accusative(Kinds),
    /// A dative object: *helfen*.
    Dative(Kinds),
    /// A person in the dative and a thing in the accusative: *geben*.
    Giving(Kinds),
    /// As giving, but English says *to*: *erklären*.
    GivingTo(Kinds),
    /// A prepositional object: *warten auf*.
    Prepositional(&'static Preposition, Kinds),
    /// One of these directions: *laufen*.
    Motion(&'static [Direction]),
    /// A place: *wohnen*.
    Place(Kinds),
    /// A thing and a direction: *hängen*.
    Moving(Kinds),
    /// A clause with *dass*: *sagen*.
    That,
    /// An infinitive with *zu*: *versuchen*.
    Infinitive,
    /// A predicate: *sein*.
    Copula,
    /// The thing that exists: *es gibt*.
    Existence,
}

/// The course in time of a verb, which decides the English present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aspect {
    /// It happens, possibly as a habit: *is reading*, *liest gerade*.
    Event,
    /// It happens, but not as a habit: *is building*, *baut gerade*.
    Project,
    /// It happens unintentionally: *forgot*; it can't be a command.
    Mishap,
    /// It is done in a moment, and once: *found*, *fand*.
    Once,
    /// It holds: *knows*, *kennt*.
    State,
    /// It goes on: *is hanging*, *hängt*.
    Posture,
}

/// A set of manners, one bit each.
pub type Manners = u8;
/// Quickly, slowly.
pub const PACE: Manners = 1;
/// Carefully.
pub const CARE: Manners = 2;
/// Loudly, quietly.
pub const SOUND: Manners = 4;
/// Alone, together.
pub const COMPANY: Manners = 8;
/// Well, badly.
pub const SKILL: Manners = 16;
/// Patiently.
pub const PATIENCE: Manners = 32;

/// `english`: infinitive, past, participle, *-ing* form, and a particle if it has one. `german`: *sich* if it is
/// reflexive, then infinitive (a separable prefix is before `|`), third person, past, auxiliary, participle.
const fn verb(english: &'static str, german: &'static str, subject: Kinds, frame: Frame) -> Verb {
    Verb { english, german, subject, frame, aspect: Aspect::Event, places: 0, manners: 0, errand: false }
}

impl Verb {
    /// The same verb as a state.
    const fn state(self) -> Self {
        Self { aspect: Aspect::State, ..self }
    }

    /// The same verb, done in a moment.
    const fn once(self) -> Self {
        Self { aspect: Aspect::Once, ..self }
    }

    /// The same verb, done unintentionally.
    const fn mishap(self) -> Self {
        Self { aspect: Aspect::Mishap, ..self }
    }

    /// The same verb, done once but over a while.
    const fn project(self) -> Self {
        Self { aspect: Aspect::Project, ..self }
    }

    /// The same verb as an errand.
    const fn errand(self) -> Self {
        Self { errand: true, ..self }
    }

    /// The same verb as a posture.
    const fn posture(self) -> Self {
        Self { aspect: Aspect::Posture, ..self }
    }

    /// The same verb, done in `places`.
    const fn at(self, places: Kinds) -> Self {
        Self { places, ..self }
    }

    /// The same verb, done in one of `manners`.
    const fn how(self, manners: Manners) -> Self {
        Self { manners, ..self }
    }

    /// Its English forms.
    pub fn english(&self) -> EnglishVerb {
        EnglishVerb::parse(self.english)
    }

    /// Its German forms.
    pub fn german(&self) -> GermanVerb {
        GermanVerb::parse(self.german)
    }

    /// The dictionary line, which names the verb.
    pub fn lemma(&self) -> &'static str {
        self.german
    }
}

/// A preposition and the kinds of nouns that may follow it.
pub type Direction = (&'static Preposition, Kinds);

const RUN: &[Direction] = &[
    (&prep::INTO, ROOM | AREA | BUILDING),
    (&prep::TO, SITE),
    (&prep::THROUGH, AREA),
    (&prep::OUT_OF, BUILDING | ROOM),
    (&prep::OVER, GROUND),
    (&prep::TO_BEHIND, HIDEOUT),
    (&prep::TO_UNDER, COVER),
];
/// Directions of *go*.
pub const GO: &[Direction] = &[
    (&prep::INTO, ROOM | AREA | BUILDING),
    (&prep::TO, SITE | SHOP),
    (&prep::THROUGH, AREA),
    (&prep::OUT_OF, BUILDING | ROOM),
];
/// Directions of *drive*.
pub const DRIVE: &[Direction] = &[(&prep::TO, SITE | SHOP), (&prep::THROUGH, TOWN), (&prep::OVER, GROUND)];
/// Directions of *travel*.
pub const TRAVEL: &[Direction] = &[(&prep::TO, SITE), (&prep::INTO, TOWN)];
const RETURN: &[Direction] = &[(&prep::FROM, SITE)];
const FIT: &[Direction] = &[(&prep::INTO, HOLDER)];
const JUMP: &[Direction] = &[(&prep::OVER, BARRIER), (&prep::ONTO, SURFACE), (&prep::INTO, WATERS)];
const CRAWL: &[Direction] = &[
    (&prep::TO_UNDER, COVER),
    (&prep::TO_BEHIND, HIDEOUT),
    (&prep::INTO, CONTAINER | ROOM),
    (&prep::OUT_OF, CONTAINER | ROOM),
];
const CLIMB: &[Direction] = &[(&prep::UP, CLIMBED), (&prep::OVER, BARRIER)];

const HOME: Kinds = ROOM | AREA;
const PUBLIC: Kinds = GROUP | SITE;

/// *be*, *sein*.
pub static BE: Verb = verb("be was been being", "sein ist war ist gewesen", PERSON | ANIMAL, Frame::Copula).state();
/// *there is*, *es gibt*.
pub static EXIST: Verb = verb("be was been being", "geben gibt gab hat gegeben", 0, Frame::Existence).state();
/// *rain*, *regnen*.
pub static RAIN: Verb =
    verb("rain rained rained raining", "regnen regnet regnete hat geregnet", 0, Frame::Intransitive).posture();
/// *snow*, *schneien*.
pub static SNOW: Verb =
    verb("snow snowed snowed snowing", "schneien schneit schneite hat geschneit", 0, Frame::Intransitive).posture();

/// Every other verb.
#[rustfmt::skip]
pub static VERBS: &[Verb] = &[
    // With an accusative object
    verb("have had had having", "haben hat hatte hat gehabt", PERSON, Frame::Accusative(GOODS | PET)).state(),
    verb("see saw seen seeing", "sehen sieht sah hat gesehen", ANIMATE, Frame::Accusative(VISIBLE)).state().at(AREA | SITE),
    verb("buy bought bought buying", "kaufen kauft kaufte hat gekauft", PERSON, Frame::Accusative(GOODS | FOOD | DRINK)).at(SHOP).errand(),
    verb("sell sold sold selling", "verkaufen verkauft verkaufte hat verkauft", PERSON, Frame::Accusative(GOODS)),
    verb("find found found finding", "finden findet fand hat gefunden", ANIMATE, Frame::Accusative(PORTABLE)).at(HOME).once(),
    verb("lose lost lost losing", "verlieren verliert verlor hat verloren", PERSON, Frame::Accusative(CLOTHES | TOOL | TOY | CONTAINER)).at(AREA | SITE).mishap(),
    verb("look looked looked looking for", "suchen sucht suchte hat gesucht", PERSON, Frame::Accusative(PORTABLE | PERSON | PET)).at(HOME).errand().project(),
    verb("read read read reading", "lesen liest las hat gelesen", PERSON, Frame::Accusative(TEXT)).at(HOME).how(SOUND),
    verb("write wrote written writing", "schreiben schreibt schrieb hat geschrieben", PERSON, Frame::Accusative(WRITING)).at(ROOM).how(PACE),
    verb("eat ate eaten eating", "essen isst aß hat gegessen", PERSON, Frame::Accusative(FOOD)).at(HOME).how(PACE),
    verb("eat ate eaten eating", "fressen frisst fraß hat gefressen", ANIMAL, Frame::Accusative(FODDER)).at(AREA).how(PACE),
    verb("drink drank drunk drinking", "trinken trinkt trank hat getrunken", PERSON, Frame::Accusative(DRINK)).at(HOME).how(PACE),
    verb("cook cooked cooked cooking", "kochen kocht kochte hat gekocht", PERSON, Frame::Accusative(COOKED)).how(COMPANY),
    verb("bake baked baked baking", "backen backt backte hat gebacken", PERSON, Frame::Accusative(BAKED)).how(COMPANY),
    verb("build built built building", "bauen baut baute hat gebaut", PERSON, Frame::Accusative(BUILDING)).project(),
    verb("repair repaired repaired repairing", "reparieren repariert reparierte hat repariert", PERSON, Frame::Accusative(WHEELED | DEVICE)).how(PACE).errand(),
    verb("wash washed washed washing", "waschen wäscht wusch hat gewaschen", PERSON, Frame::Accusative(CLOTHES | WHEELED)).how(CARE),
    verb("clean cleaned cleaned cleaning", "putzen putzt putzte hat geputzt", PERSON, Frame::Accusative(OPENED | ROOM)).how(CARE | PACE),
    verb("draw drew drawn drawing", "zeichnen zeichnet zeichnete hat gezeichnet", PERSON, Frame::Accusative(ANIMAL | BUILDING | PLANT)).how(SKILL),
    verb("carry carried carried carrying", "tragen trägt trug hat getragen", PERSON, Frame::Accusative(CONTAINER | FURNITURE)).how(CARE),
    verb("forget forgot forgotten forgetting", "vergessen vergisst vergaß hat vergessen", PERSON, Frame::Accusative(TOOL | TEXT | LEARNED | CLOTHES)).mishap(),
    verb("take took taken taking", "nehmen nimmt nahm hat genommen", PERSON, Frame::Accusative(PORTABLE | LINE)),
    verb("love loved loved loving", "lieben liebt liebte hat geliebt", PERSON, Frame::Accusative(PERSON | PET | FOOD | DRINK | PLANT)).state(),
    verb("like liked liked liking", "mögen mag mochte hat gemocht", PERSON, Frame::Accusative(ANIMATE | FOOD | DRINK | CLOTHES | SONG)).state(),
    verb("need needed needed needing", "brauchen braucht brauchte hat gebraucht", PERSON, Frame::Accusative(GOODS)).state(),
    verb("know knew known knowing", "kennen kennt kannte hat gekannt", PERSON, Frame::Accusative(PERSON | CITY | TOLD | SONG)).state(),
    verb("visit visited visited visiting", "besuchen besucht besuchte hat besucht", PERSON, Frame::Accusative(PERSON | GROUP)).errand(),
    verb("meet met met meeting", "treffen trifft traf hat getroffen", PERSON, Frame::Accusative(PERSON)).at(PUBLIC).errand(),
    verb("watch watched watched watching", "beobachten beobachtet beobachtete hat beobachtet", PERSON, Frame::Accusative(ANIMATE)).at(AREA),
    verb("feed fed fed feeding", "füttern füttert fütterte hat gefüttert", PERSON, Frame::Accusative(PET)).errand(),
    verb("hide hid hidden hiding", "verstecken versteckt versteckte hat versteckt", PERSON, Frame::Accusative(TOY | TOOL | CONTAINER)).at(ROOM | AREA).project(),
    verb("steal stole stolen stealing", "stehlen stiehlt stahl hat gestohlen", PERSON, Frame::Accusative(TOOL | WHEELED | CONTAINER | CLOTHES)).once().errand(),
    verb("catch caught caught catching", "fangen fängt fing hat gefangen", PERSON, Frame::Accusative(PET)).at(AREA).once().errand(),
    verb("sing sang sung singing", "singen singt sang hat gesungen", PERSON, Frame::Accusative(SONG)).at(HOME).how(SOUND | COMPANY | SKILL),
    verb("learn learned learned learning", "lernen lernt lernte hat gelernt", PERSON, Frame::Accusative(LEARNED)).how(PACE | SKILL),
    verb("use used used using", "benutzen benutzt benutzte hat benutzt", PERSON, Frame::Accusative(TOOL | DEVICE | WHEELED)).how(CARE),
    verb("cut cut cut cutting", "schneiden schneidet schnitt hat geschnitten", PERSON, Frame::Accusative(BAKED | FRUIT)).at(ROOM).how(CARE | PACE),
    verb("order ordered ordered ordering", "bestellen bestellt bestellte hat bestellt", PERSON, Frame::Accusative(FOOD | DRINK)).how(PACE).errand(),
    verb("plant planted planted planting", "pflanzen pflanzt pflanzte hat gepflanzt", PERSON, Frame::Accusative(PLANT)).at(AREA).errand().project(),
    verb("pick picked picked picking", "pflücken pflückt pflückte hat gepflückt", PERSON, Frame::Accusative(FRUIT)).at(AREA).how(PACE).errand(),
    verb("rescue rescued rescued rescuing", "retten rettet rettete hat gerettet", PERSON, Frame::Accusative(ANIMATE)).once().errand(),
    verb("greet greeted greeted greeting", "begrüßen begrüßt begrüßte hat begrüßt", PERSON, Frame::Accusative(PERSON)).at(PUBLIC),
    verb("ask asked asked asking", "fragen fragt fragte hat gefragt", PERSON, Frame::Accusative(PERSON)),
    verb("answer answered answered answering", "beantworten beantwortet beantwortete hat beantwortet", PERSON, Frame::Accusative(REPLIED)).how(PACE),
    verb("solve solved solved solving", "lösen löst löste hat gelöst", PERSON, Frame::Accusative(SOLVED)).how(PACE | COMPANY),
    verb("understand understood understood understanding", "verstehen versteht verstand hat verstanden", PERSON, Frame::Accusative(THOUGHT | REPLIED | TOLD)).state(),
    verb("wake woke woken waking", "wecken weckt weckte hat geweckt", PERSON, Frame::Accusative(PERSON | PET)).how(CARE),
    verb("win won won winning", "gewinnen gewinnt gewann hat gewonnen", PERSON, Frame::Accusative(WON)).once(),
    verb("cross crossed crossed crossing", "überqueren überquert überquerte hat überquert", ANIMATE | WHEELED, Frame::Accusative(WAY)).how(PACE | CARE),
    verb("leave left left leaving", "verlassen verlässt verließ hat verlassen", PERSON, Frame::Accusative(BUILDING | ROOM | CITY)).how(PACE).once(),
    verb("reach reached reached reaching", "erreichen erreicht erreichte hat erreicht", PERSON, Frame::Accusative(SITE | CITY)).once(),
    verb("hear heard heard hearing", "hören hört hörte hat gehört", ANIMATE, Frame::Accusative(ANIMATE | SONG | TRANSIT)).state(),
    verb("wear wore worn wearing", "tragen trägt trug hat getragen", PERSON, Frame::Accusative(CLOTHES)),
    verb("push pushed pushed pushing", "schieben schiebt schob hat geschoben", PERSON, Frame::Accusative(PUSHED)).how(PACE),
    verb("pull pulled pulled pulling", "ziehen zieht zog hat gezogen", DRAFT, Frame::Accusative(LOAD)).how(PACE),
    // With a separable prefix
    verb("call called called calling", "an|rufen ruft rief hat angerufen", PERSON, Frame::Accusative(PERSON)),
    verb("pick picked picked picking up", "ab|holen holt holte hat abgeholt", PERSON, Frame::Accusative(PERSON | CONTAINER)).at(SITE).errand(),
    verb("open opened opened opening", "auf|machen macht machte hat aufgemacht", PERSON, Frame::Accusative(OPENED)).how(PACE | CARE | SOUND),
    verb("close closed closed closing", "zu|machen macht machte hat zugemacht", PERSON, Frame::Accusative(OPENED)).how(PACE | CARE | SOUND),
    verb("turn turned turned turning on", "ein|schalten schaltet schaltete hat eingeschaltet", PERSON, Frame::Accusative(DEVICE)),
    verb("turn turned turned turning off", "aus|schalten schaltet schaltete hat ausgeschaltet", PERSON, Frame::Accusative(DEVICE)),
    verb("put put put putting on", "an|ziehen zieht zog hat angezogen", PERSON, Frame::Accusative(CLOTHES)).how(PACE),
    verb("take took taken taking off", "aus|ziehen zieht zog hat ausgezogen", PERSON, Frame::Accusative(CLOTHES)).how(PACE),
    verb("invite invited invited inviting", "ein|laden lädt lud hat eingeladen", PERSON, Frame::Accusative(PERSON)),
    verb("throw threw thrown throwing away", "weg|werfen wirft warf hat weggeworfen", PERSON, Frame::Accusative(PORTABLE)).once(),
    verb("tidy tidied tidied tidying up", "auf|räumen räumt räumte hat aufgeräumt", PERSON, Frame::Accusative(ROOM)).how(PACE | COMPANY),
    verb("bring brought brought bringing along", "mit|bringen bringt brachte hat mitgebracht", PERSON, Frame::Accusative(FOOD | DRINK | TOY)),
    // Without an object
    verb("sleep slept slept sleeping", "schlafen schläft schlief hat geschlafen", ANIMATE, Frame::Intransitive).at(HOME | BED).how(SKILL),
    verb("work worked worked working", "arbeiten arbeitet arbeitete hat gearbeitet", PERSON, Frame::Intransitive).at(HOME | BUILDING | GROUND).how(PACE | COMPANY),
    verb("laugh laughed laughed laughing", "lachen lacht lachte hat gelacht", PERSON, Frame::Intransitive).how(SOUND),
    verb("cry cried cried crying", "weinen weint weinte hat geweint", PERSON, Frame::Intransitive).at(HOME).how(SOUND),
    verb("dance danced danced dancing", "tanzen tanzt tanzte hat getanzt", PERSON, Frame::Intransitive).at(HOME).how(COMPANY | SKILL),
    verb("play played played playing", "spielen spielt spielte hat gespielt", ANIMATE, Frame::Intransitive).at(HOME | GROUND | SITE).how(COMPANY),
    verb("swim swam swum swimming", "schwimmen schwimmt schwamm ist geschwommen", ANIMATE, Frame::Intransitive).at(WATERS).how(PACE | SKILL),
    verb("smile smiled smiled smiling", "lächeln lächelt lächelte hat gelächelt", PERSON, Frame::Intransitive),
    verb("wait waited waited waiting", "warten wartet wartete hat gewartet", PERSON, Frame::Intransitive).at(SITE | BUILDING).how(PATIENCE),
    verb("get got gotten getting up", "auf|stehen steht stand ist aufgestanden", PERSON, Frame::Intransitive).how(PACE).once(),
    verb("fall fell fallen falling asleep", "ein|schlafen schläft schlief ist eingeschlafen", ANIMATE, Frame::Intransitive).at(ROOM | BED).how(PACE).once(),
    verb("wake woke woken waking up", "auf|wachen wacht wachte ist aufgewacht", ANIMATE, Frame::Intransitive).once(),
    verb("arrive arrived arrived arriving", "an|kommen kommt kam ist angekommen", PERSON | LINE, Frame::Intransitive).at(SITE).once(),
    verb("depart departed departed departing", "ab|fahren fährt fuhr ist abgefahren", LINE, Frame::Intransitive).how(PACE).once(),
    verb("come came come coming back", "zurück|kommen kommt kam ist zurückgekommen", ANIMATE, Frame::Intransitive).how(COMPANY).once(),
    verb("watch watched watched watching TV", "fern|sehen sieht sah hat ferngesehen", PERSON, Frame::Intransitive).at(ROOM).how(COMPANY),
    verb("stop stopped stopped stopping", "an|halten hält hielt hat angehalten", VEHICLE, Frame::Intransitive).at(SITE).once(),
    // With a dative object
    verb("help helped helped helping", "helfen hilft half hat geholfen", PERSON, Frame::Dative(PERSON)).at(HOME).errand(),
    verb("thank thanked thanked thanking", "danken dankt dankte hat gedankt", PERSON, Frame::Dative(PERSON)).errand(),
    verb("follow followed followed following", "folgen folgt folgte ist gefolgt", ANIMATE, Frame::Dative(ANIMATE)).how(PACE),
    verb("believe believed believed believing", "glauben glaubt glaubte hat geglaubt", PERSON, Frame::Dative(PERSON)).state(),
    verb("trust trusted trusted trusting", "vertrauen vertraut vertraute hat vertraut", PERSON, Frame::Dative(PERSON)).state(),
    verb("congratulate congratulated congratulated congratulating", "gratulieren gratuliert gratulierte hat gratuliert", PERSON, Frame::Dative(PERSON)).errand(),
    verb("listen listened listened listening to", "zu|hören hört hörte hat zugehört", PERSON, Frame::Dative(PERSON)).how(PATIENCE),
    verb("belong belonged belonged belonging to", "gehören gehört gehörte hat gehört", GOODS | PET, Frame::Dative(PERSON)).state(),
    verb("obey obeyed obeyed obeying", "gehorchen gehorcht gehorchte hat gehorcht", ANIMATE, Frame::Dative(PERSON)),
    // With a dative and an accusative object
    verb("give gave given giving", "geben gibt gab hat gegeben", PERSON, Frame::Giving(PORTABLE | FOOD | DRINK)),
    verb("show showed shown showing", "zeigen zeigt zeigte hat gezeigt", PERSON, Frame::Giving(PORTABLE | BUILDING | ANIMAL | AREA)),
    verb("send sent sent sending", "schicken schickt schickte hat geschickt", PERSON, Frame::Giving(TEXT | CONTAINER | TOY | PLANT)),
    verb("bring brought brought bringing", "bringen bringt brachte hat gebracht", PERSON, Frame::Giving(FOOD | DRINK | PORTABLE | PLANT)),
    verb("lend lent lent lending", "leihen leiht lieh hat geliehen", PERSON, Frame::Giving(TOOL | TEXT | CLOTHES | PUSHED)),
    verb("tell told told telling", "erzählen erzählt erzählte hat erzählt", PERSON, Frame::Giving(TOLD)),
    verb("offer offered offered offering", "an|bieten bietet bot hat angeboten", PERSON, Frame::Giving(FOOD | DRINK)),
    verb("explain explained explained explaining", "erklären erklärt erklärte hat erklärt", PERSON, Frame::GivingTo(THOUGHT | REPLIED)).how(PATIENCE),
    verb("recommend recommended recommended recommending", "empfehlen empfiehlt empfahl hat empfohlen", PERSON, Frame::GivingTo(GROUP | BAKED)),
    verb("return returned returned returning", "zurück|geben gibt gab hat zurückgegeben", PERSON, Frame::GivingTo(TOOL | TEXT | TOY | CLOTHES)),
    // With a prepositional object
    verb("wait waited waited waiting", "warten wartet wartete hat gewartet", PERSON, Frame::Prepositional(&prep::AWAIT, PERSON | LINE)).at(SITE).how(PATIENCE),
    verb("think thought thought thinking", "denken denkt dachte hat gedacht", PERSON, Frame::Prepositional(&prep::THINK, PERSON | EVENT)),
    verb("talk talked talked talking", "sprechen spricht sprach hat gesprochen", PERSON, Frame::Prepositional(&prep::ABOUT, PERSON | EVENT | THOUGHT)).how(SOUND),
    verb("dream dreamed dreamed dreaming", "träumen träumt träumte hat geträumt", PERSON, Frame::Prepositional(&prep::DREAM, ANIMATE | CITY | EVENT)),
    verb("laugh laughed laughed laughing", "lachen lacht lachte hat gelacht", PERSON, Frame::Prepositional(&prep::LAUGH, ANIMATE | TOLD)).how(SOUND),
    verb("ask asked asked asking", "bitten bittet bat hat gebeten", PERSON, Frame::Prepositional(&prep::ASK, FOOD | DRINK | TOOL)).how(PATIENCE),
    verb("play played played playing", "spielen spielt spielte hat gespielt", ANIMATE, Frame::Prepositional(&prep::WITH, PET | PERSON | TOY)).at(HOME),
    verb("remember remembered remembered remembering", "sich erinnern erinnert erinnerte hat erinnert", PERSON, Frame::Prepositional(&prep::REMEMBER, PERSON | EVENT | LEARNED)).state(),
    verb("look looked looked looking forward", "sich freuen freut freute hat gefreut", PERSON, Frame::Prepositional(&prep::FORWARD, EVENT)).state(),
    verb("complain complained complained complaining", "sich beschweren beschwert beschwerte hat beschwert", PERSON, Frame::Prepositional(&prep::ABOUT, WEATHER | EVENT | PERSON)).how(SOUND),
    // From place to place
    verb("run ran run running", "laufen läuft lief ist gelaufen", ANIMATE, Frame::Motion(RUN)).how(PACE),
    verb("go went gone going", "gehen geht ging ist gegangen", PERSON, Frame::Motion(GO)).how(COMPANY),
    verb("travel traveled traveled traveling", "reisen reist reiste ist gereist", PERSON, Frame::Motion(TRAVEL)),
    verb("come came come coming back", "zurück|kommen kommt kam ist zurückgekommen", ANIMATE, Frame::Motion(RETURN)).once(),
    verb("fit fitted fitted fitting", "passen passt passte hat gepasst", BIG, Frame::Motion(FIT)).state(),
    verb("jump jumped jumped jumping", "springen springt sprang ist gesprungen", ANIMATE, Frame::Motion(JUMP)),
    verb("drive drove driven driving", "fahren fährt fuhr ist gefahren", PERSON, Frame::Motion(DRIVE)).how(PACE),
    verb("crawl crawled crawled crawling", "kriechen kriecht kroch ist gekrochen", ANIMATE, Frame::Motion(CRAWL)).how(PACE | CARE),
    verb("climb climbed climbed climbing", "klettern klettert kletterte ist geklettert", ANIMATE, Frame::Motion(CLIMB)).how(PACE | CARE),
    verb("hang hung hung hanging", "hängen hängt hängte hat gehängt", PERSON, Frame::Moving(HUNG)).project(),
    // In a place
    verb("live lived lived living", "wohnen wohnt wohnte hat gewohnt", PERSON, Frame::Place(CITY)).state(),
    verb("stay stayed stayed staying", "bleiben bleibt blieb ist geblieben", ANIMATE, Frame::Place(HOME | BUILDING)),
    verb("sit sat sat sitting", "sitzen sitzt saß hat gesessen", ANIMATE, Frame::Place(SURFACE | AREA | GROUND)).posture(),
    verb("stand stood stood standing", "stehen steht stand hat gestanden", ANIMATE | WHEELED, Frame::Place(GROUND | SITE)).posture(),
    verb("hang hung hung hanging", "hängen hängt hing hat gehangen", HUNG, Frame::Place(WALL)).posture(),
    // With a clause
    verb("say said said saying", "sagen sagt sagte hat gesagt", PERSON, Frame::That),
    verb("think thought thought thinking", "denken denkt dachte hat gedacht", PERSON, Frame::That).state(),
    verb("know knew known knowing", "wissen weiß wusste hat gewusst", PERSON, Frame::That).state(),
    verb("believe believed believed believing", "glauben glaubt glaubte hat geglaubt", PERSON, Frame::That).state(),
    verb("hope hoped hoped hoping", "hoffen hofft hoffte hat gehofft", PERSON, Frame::That).state(),
    verb("notice noticed noticed noticing", "bemerken bemerkt bemerkte hat bemerkt", PERSON, Frame::That).once(),
    verb("claim claimed claimed claiming", "behaupten behauptet behauptete hat behauptet", PERSON, Frame::That),
    verb("try tried tried trying", "versuchen versucht versuchte hat versucht", PERSON, Frame::Infinitive),
    verb("forget forgot forgotten forgetting", "vergessen vergisst vergaß hat vergessen", PERSON, Frame::Infinitive).mishap(),
    verb("promise promised promised promising", "versprechen verspricht versprach hat versprochen", PERSON, Frame::Infinitive).once(),
    verb("begin began begun beginning", "an|fangen fängt fing hat angefangen", PERSON, Frame::Infinitive),
];
