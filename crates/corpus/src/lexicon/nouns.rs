//! The nouns, written as a dictionary writes them: nominative, genitive, plural.

use super::kinds::*;
use crate::grammar::{Case, Gender, Number};

/// A noun of both languages.
#[derive(Debug, PartialEq, Eq)]
pub struct Noun {
    english: &'static str,
    german: &'static str,
    /// Its kinds.
    pub kinds: Kinds,
}

/// `english`: singular, and the plural where it is irregular. `german`: article, nominative, genitive, plural.
const fn noun(english: &'static str, german: &'static str, kinds: Kinds) -> Noun {
    Noun { english, german, kinds }
}

impl Noun {
    /// The English form; its words are joined by blanks.
    pub fn english(&self, number: Number) -> String {
        let mut forms = self.english.split(", ");
        let singular = forms.next().unwrap_or_default();
        match (number, forms.next()) {
            (Number::Singular, _) => singular.to_string(),
            (Number::Plural, Some(plural)) => plural.to_string(),
            (Number::Plural, None) => crate::english::with_s(singular),
        }
    }

    /// The German nominative singular, which names the noun.
    pub fn lemma(&self) -> &'static str {
        self.part(1)
    }

    /// Its gender.
    pub fn gender(&self) -> Gender {
        match self.part(0) {
            "der" => Gender::Masculine,
            "die" => Gender::Feminine,
            _ => Gender::Neuter,
        }
    }

    /// Whether it has no plural.
    pub fn is_mass(&self) -> bool {
        self.kinds & MASS != 0
    }

    /// Whether it is of one of `kinds`.
    pub fn is(&self, kinds: Kinds) -> bool {
        self.kinds & kinds != 0
    }

    /// The German form.
    ///
    /// Weak masculines (*den Jungen*) are those whose genitive is their plural, with an *-s* or without (*des Namens*).
    pub fn german(&self, case: Case, number: Number) -> String {
        let (nominative, genitive, plural) = (self.part(1), self.part(2), self.part(3));
        let weak = self.gender() == Gender::Masculine
            && plural.ends_with('n')
            && genitive.strip_suffix('s').unwrap_or(genitive) == plural;
        match (number, case) {
            (Number::Singular, Case::Nominative) => nominative.to_string(),
            (Number::Singular, Case::Genitive) => genitive.to_string(),
            (Number::Singular, _) if weak => plural.to_string(),
            (Number::Singular, _) => nominative.to_string(),
            (Number::Plural, Case::Dative) if !plural.ends_with(['n', 's']) => format!("{plural}n"),
            (Number::Plural, _) => plural.to_string(),
        }
    }

    fn part(&self, index: usize) -> &'static str {
        self.german.split(' ').nth(index).unwrap_or_default()
    }
}

/// Every noun.
#[rustfmt::skip]
pub static NOUNS: &[Noun] = &[
    // People
    noun("man, men", "der Mann Mannes Männer", PERSON),
    noun("woman, women", "die Frau Frau Frauen", PERSON),
    noun("boy", "der Junge Jungen Jungen", PERSON),
    noun("girl", "das Mädchen Mädchens Mädchen", PERSON),
    noun("child, children", "das Kind Kindes Kinder", PERSON | KIN),
    noun("teacher", "der Lehrer Lehrers Lehrer", PERSON),
    noun("doctor", "der Arzt Arztes Ärzte", PERSON),
    noun("student", "der Student Studenten Studenten", PERSON),
    noun("baker", "der Bäcker Bäckers Bäcker", PERSON),
    noun("farmer", "der Bauer Bauern Bauern", PERSON),
    noun("chef", "der Koch Kochs Köche", PERSON),
    noun("policeman, policemen", "der Polizist Polizisten Polizisten", PERSON),
    noun("customer", "der Kunde Kunden Kunden", PERSON),
    noun("colleague", "der Kollege Kollegen Kollegen", PERSON | KIN),
    noun("neighbor", "der Nachbar Nachbarn Nachbarn", PERSON | KIN),
    noun("friend", "der Freund Freundes Freunde", PERSON | KIN),
    noun("guest", "der Gast Gastes Gäste", PERSON),
    noun("king", "der König Königs Könige", PERSON),
    noun("queen", "die Königin Königin Königinnen", PERSON),
    noun("princess", "die Prinzessin Prinzessin Prinzessinnen", PERSON),
    noun("thief, thieves", "der Dieb Diebes Diebe", PERSON),
    noun("tourist", "der Tourist Touristen Touristen", PERSON),
    noun("artist", "der Künstler Künstlers Künstler", PERSON),
    noun("hunter", "der Jäger Jägers Jäger", PERSON),
    noun("gardener", "der Gärtner Gärtners Gärtner", PERSON),
    noun("waitress", "die Kellnerin Kellnerin Kellnerinnen", PERSON),
    noun("nurse", "die Krankenschwester Krankenschwester Krankenschwestern", PERSON),
    noun("mother", "die Mutter Mutter Mütter", PERSON | FAMILY | SOLE),
    noun("father", "der Vater Vaters Väter", PERSON | FAMILY | SOLE),
    noun("brother", "der Bruder Bruders Brüder", PERSON | FAMILY),
    noun("sister", "die Schwester Schwester Schwestern", PERSON | FAMILY),
    noun("uncle", "der Onkel Onkels Onkel", PERSON | FAMILY),
    noun("aunt", "die Tante Tante Tanten", PERSON | FAMILY),
    noun("grandmother", "die Großmutter Großmutter Großmütter", PERSON | FAMILY | SOLE),
    noun("grandfather", "der Großvater Großvaters Großväter", PERSON | FAMILY | SOLE),
    noun("son", "der Sohn Sohnes Söhne", PERSON | FAMILY),
    noun("daughter", "die Tochter Tochter Töchter", PERSON | FAMILY),
    // Animals
    noun("animal", "das Tier Tieres Tiere", ANIMAL | PET),
    noun("dog", "der Hund Hundes Hunde", ANIMAL | PET),
    noun("cat", "die Katze Katze Katzen", ANIMAL | PET),
    noun("horse", "das Pferd Pferdes Pferde", ANIMAL | PET | DRAFT),
    noun("cow", "die Kuh Kuh Kühe", ANIMAL | PET | DRAFT),
    noun("pig", "das Schwein Schweins Schweine", ANIMAL | PET),
    noun("lamb", "das Lamm Lammes Lämmer", ANIMAL | PET),
    noun("goat", "die Ziege Ziege Ziegen", ANIMAL | PET),
    noun("donkey", "der Esel Esels Esel", ANIMAL | PET | DRAFT),
    noun("duck", "die Ente Ente Enten", ANIMAL | PET),
    noun("goose, geese", "die Gans Gans Gänse", ANIMAL | PET),
    noun("mouse, mice", "die Maus Maus Mäuse", ANIMAL),
    noun("rabbit", "das Kaninchen Kaninchens Kaninchen", ANIMAL | PET),
    noun("bear", "der Bär Bären Bären", ANIMAL),
    noun("wolf, wolves", "der Wolf Wolfes Wölfe", ANIMAL),
    noun("fox", "der Fuchs Fuchses Füchse", ANIMAL),
    noun("lion", "der Löwe Löwen Löwen", ANIMAL),
    noun("elephant", "der Elefant Elefanten Elefanten", ANIMAL | DRAFT),
    noun("monkey", "der Affe Affen Affen", ANIMAL),
    noun("snake", "die Schlange Schlange Schlangen", ANIMAL),
    noun("frog", "der Frosch Frosches Frösche", ANIMAL),
    noun("hedgehog", "der Igel Igels Igel", ANIMAL),
    noun("camel", "das Kamel Kamels Kamele", ANIMAL | DRAFT),
    noun("crocodile", "das Krokodil Krokodils Krokodile", ANIMAL),
    noun("giraffe", "die Giraffe Giraffe Giraffen", ANIMAL),
    noun("pony", "das Pony Ponys Ponys", ANIMAL | PET | DRAFT),
    // Vehicles
    noun("car", "das Auto Autos Autos", VEHICLE | TRANSIT | WHEELED | PUSHED),
    noun("bus", "der Bus Busses Busse", VEHICLE | TRANSIT | WHEELED | LINE),
    noun("train", "der Zug Zuges Züge", VEHICLE | TRANSIT | LINE),
    noun("truck", "der Lastwagen Lastwagens Lastwagen", VEHICLE | WHEELED),
    noun("bicycle", "das Fahrrad Fahrrads Fahrräder", VEHICLE | TRANSIT | WHEELED | PUSHED),
    noun("ship", "das Schiff Schiffes Schiffe", VEHICLE | TRANSIT | LINE),
    noun("taxi", "das Taxi Taxis Taxis", VEHICLE | TRANSIT | WHEELED),
    noun("tractor", "der Traktor Traktors Traktoren", VEHICLE | WHEELED),
    noun("motorcycle", "das Motorrad Motorrads Motorräder", VEHICLE | TRANSIT | WHEELED | PUSHED),
    noun("tram", "die Straßenbahn Straßenbahn Straßenbahnen", VEHICLE | TRANSIT | LINE),
    noun("carriage", "die Kutsche Kutsche Kutschen", VEHICLE | LOAD),
    noun("cart", "der Karren Karrens Karren", LOAD | PUSHED),
    noun("sled", "der Schlitten Schlittens Schlitten", LOAD | TOY | PUSHED),
    noun("boat", "das Boot Bootes Boote", LOAD | VEHICLE),
    // Ways and waters
    noun("street", "die Straße Straße Straßen", WAY | GROUND | PATH | TRAFFIC),
    noun("bridge", "die Brücke Brücke Brücken", WAY | GROUND | COVER | PATH | TRAFFIC),
    noun("path", "der Weg Weges Wege", WAY | GROUND | PATH),
    noun("square", "der Platz Platzes Plätze", WAY | GROUND | TRAFFIC),
    noun("intersection", "die Kreuzung Kreuzung Kreuzungen", WAY | TRAFFIC),
    noun("river", "der Fluss Flusses Flüsse", WAY | WATERS | DEEP),
    noun("stream", "der Bach Baches Bäche", WAY | WATERS | DEEP),
    noun("field", "das Feld Feldes Felder", WAY),
    noun("valley", "das Tal Tals Täler", WAY | AREA | DEEP),
    noun("meadow", "die Wiese Wiese Wiesen", WAY),
    noun("lake", "der See Sees Seen", WATERS | SITE | DEEP),
    noun("fence", "der Zaun Zauns Zäune", BARRIER | HIGH),
    noun("hedge", "die Hecke Hecke Hecken", BARRIER | HIGH),
    noun("gate", "das Tor Tors Tore", BARRIER | OPENED | HIGH),
    noun("ditch", "der Graben Grabens Gräben", BARRIER | DEEP),
    noun("obstacle", "das Hindernis Hindernisses Hindernisse", BARRIER | HIGH),
    noun("puddle", "die Pfütze Pfütze Pfützen", BARRIER | DEEP),
    // Food and drink
    noun("apple", "der Apfel Apfels Äpfel", FOOD | FRUIT | FODDER),
    noun("pear", "die Birne Birne Birnen", FOOD | FRUIT),
    noun("cherry", "die Kirsche Kirsche Kirschen", FOOD | FRUIT),
    noun("cake", "der Kuchen Kuchens Kuchen", FOOD | BAKED | FODDER),
    noun("cookie", "der Keks Kekses Kekse", FOOD | BAKED | FODDER),
    noun("bread", "das Brot Brotes Brote", FOOD | BAKED | MASS | FODDER),
    noun("cheese", "der Käse Käses Käse", FOOD | MASS),
    noun("egg", "das Ei Eis Eier", FOOD | COOKED | FODDER),
    noun("soup", "die Suppe Suppe Suppen", FOOD | COOKED),
    noun("potato", "die Kartoffel Kartoffel Kartoffeln", FOOD | COOKED | FODDER),
    noun("carrot", "die Karotte Karotte Karotten", FOOD | FODDER),
    noun("sausage", "die Wurst Wurst Würste", FOOD | FODDER),
    noun("pizza", "die Pizza Pizza Pizzas", FOOD | BAKED),
    noun("rice", "der Reis Reises -", FOOD | COOKED | MASS),
    noun("meat", "das Fleisch Fleisches -", FOOD | COOKED | MASS | FODDER),
    noun("hay", "das Heu Heus -", MASS | FODDER),
    noun("milk", "die Milch Milch -", DRINK | MASS),
    noun("water", "das Wasser Wassers -", DRINK | MASS),
    noun("tea", "der Tee Tees -", DRINK | MASS),
    noun("juice", "der Saft Saftes Säfte", DRINK | MASS),
    noun("beer", "das Bier Bieres Biere", DRINK | MASS),
    // Furniture
    noun("table", "der Tisch Tisches Tische", FURNITURE | SURFACE | COVER),
    noun("chair", "der Stuhl Stuhls Stühle", FURNITURE | SURFACE | BIG),
    noun("sofa", "das Sofa Sofas Sofas", FURNITURE | SURFACE | BED | HIDEOUT),
    noun("bed", "das Bett Bettes Betten", FURNITURE | BED | COVER),
    noun("bench", "die Bank Bank Bänke", FURNITURE | SURFACE | BED | COVER),
    noun("armchair", "der Sessel Sessels Sessel", FURNITURE | BED | HIDEOUT),
    noun("carpet", "der Teppich Teppichs Teppiche", FURNITURE | SURFACE | BED),
    noun("blanket", "die Decke Decke Decken", SURFACE | BED | BIG | COVER),
    noun("closet", "der Schrank Schranks Schränke", FURNITURE | OPENED | HIDEOUT | HOLDER),
    noun("lamp", "die Lampe Lampe Lampen", FURNITURE | DEVICE | BIG),
    noun("mirror", "der Spiegel Spiegels Spiegel", FURNITURE | HUNG | BIG),
    noun("clock", "die Uhr Uhr Uhren", FURNITURE | HUNG),
    noun("picture", "das Bild Bildes Bilder", FURNITURE | HUNG | BIG),
    noun("wall", "die Wand Wand Wände", WALL),
    noun("island", "die Insel Insel Inseln", GROUND | CITY),
    noun("hill", "der Hügel Hügels Hügel", GROUND | CLIMBED),
    noun("window", "das Fenster Fensters Fenster", OPENED),
    noun("door", "die Tür Tür Türen", OPENED),
    // Containers
    noun("bag", "die Tasche Tasche Taschen", CONTAINER | OPENED | HOLDER),
    noun("box", "die Kiste Kiste Kisten", CONTAINER | OPENED | HOLDER),
    noun("basket", "der Korb Korbes Körbe", CONTAINER | HOLDER),
    noun("suitcase", "der Koffer Koffers Koffer", CONTAINER | OPENED | HOLDER),
    noun("backpack", "der Rucksack Rucksacks Rucksäcke", CONTAINER | OPENED | HOLDER),
    noun("package", "das Paket Pakets Pakete", CONTAINER | OPENED),
    noun("bottle", "die Flasche Flasche Flaschen", CONTAINER),
    noun("glass", "das Glas Glases Gläser", CONTAINER),
    noun("cup", "die Tasse Tasse Tassen", CONTAINER),
    noun("bucket", "der Eimer Eimers Eimer", CONTAINER),
    // Buildings, rooms, places
    noun("house", "das Haus Hauses Häuser", BUILDING | CITY | HIDEOUT),
    noun("hotel", "das Hotel Hotels Hotels", BUILDING),
    noun("museum", "das Museum Museums Museen", BUILDING | GROUP),
    noun("hospital", "das Krankenhaus Krankenhauses Krankenhäuser", BUILDING),
    noun("library", "die Bibliothek Bibliothek Bibliotheken", BUILDING | GROUP),
    noun("church", "die Kirche Kirche Kirchen", BUILDING | HIDEOUT),
    noun("castle", "das Schloss Schlosses Schlösser", BUILDING | CITY),
    noun("school", "die Schule Schule Schulen", BUILDING),
    noun("restaurant", "das Restaurant Restaurants Restaurants", BUILDING | GROUP),
    noun("tower", "der Turm Turmes Türme", BUILDING),
    noun("supermarket", "der Supermarkt Supermarkts Supermärkte", BUILDING | SHOP),
    noun("bakery", "die Bäckerei Bäckerei Bäckereien", BUILDING | SHOP),
    noun("stable", "der Stall Stalls Ställe", BUILDING | HIDEOUT),
    noun("kitchen", "die Küche Küche Küchen", ROOM),
    noun("bedroom", "das Schlafzimmer Schlafzimmers Schlafzimmer", ROOM),
    noun("living room", "das Wohnzimmer Wohnzimmers Wohnzimmer", ROOM),
    noun("office", "das Büro Büros Büros", ROOM),
    noun("cellar", "der Keller Kellers Keller", ROOM),
    noun("garden", "der Garten Gartens Gärten", AREA),
    noun("park", "der Park Parks Parks", AREA | GROUP),
    noun("forest", "der Wald Waldes Wälder", AREA),
    noun("city", "die Stadt Stadt Städte", AREA | CITY | GROUP | TOWN),
    noun("village", "das Dorf Dorfes Dörfer", AREA | CITY | GROUP | TOWN),
    noun("yard", "der Hof Hofes Höfe", AREA),
    noun("station", "der Bahnhof Bahnhofs Bahnhöfe", SITE),
    noun("airport", "der Flughafen Flughafens Flughäfen", SITE),
    noun("bus stop", "die Haltestelle Haltestelle Haltestellen", SITE),
    noun("beach", "der Strand Strandes Strände", SITE),
    noun("harbor", "der Hafen Hafens Häfen", SITE),
    // Texts, songs, thoughts
    noun("book", "das Buch Buches Bücher", TEXT | WRITING | BIG),
    noun("letter", "der Brief Briefes Briefe", TEXT | WRITING | REPLIED),
    noun("newspaper", "die Zeitung Zeitung Zeitungen", TEXT),
    noun("message", "die Nachricht Nachricht Nachrichten", WRITING | REPLIED),
    noun("story", "die Geschichte Geschichte Geschichten", TOLD | WRITING),
    noun("joke", "der Witz Witzes Witze", TOLD),
    noun("secret", "das Geheimnis Geheimnisses Geheimnisse", TOLD),
    noun("song", "das Lied Liedes Lieder", SONG | LEARNED),
    noun("word", "das Wort Wortes Wörter", LEARNED),
    noun("problem", "das Problem Problems Probleme", THOUGHT | SOLVED),
    noun("rule", "die Regel Regel Regeln", THOUGHT | LEARNED),
    noun("task", "die Aufgabe Aufgabe Aufgaben", THOUGHT | SOLVED),
    noun("plan", "der Plan Plans Pläne", THOUGHT),
    noun("question", "die Frage Frage Fragen", REPLIED),
    noun("name", "der Name Namens Namen", LEARNED),
    noun("game", "das Spiel Spiels Spiele", WON | EVENT),
    noun("race", "das Rennen Rennens Rennen", WON | EVENT),
    // Clothes
    noun("shirt", "das Hemd Hemdes Hemden", CLOTHES),
    noun("coat", "der Mantel Mantels Mäntel", CLOTHES | BIG),
    noun("jacket", "die Jacke Jacke Jacken", CLOTHES | BIG),
    noun("hat", "der Hut Hutes Hüte", CLOTHES | BIG),
    noun("shoe", "der Schuh Schuhs Schuhe", CLOTHES),
    noun("sweater", "der Pullover Pullovers Pullover", CLOTHES),
    noun("cap", "die Mütze Mütze Mützen", CLOTHES),
    // Devices and tools
    noun("computer", "der Computer Computers Computer", DEVICE | BIG),
    noun("radio", "das Radio Radios Radios", DEVICE | BIG),
    noun("camera", "die Kamera Kamera Kameras", DEVICE | BIG),
    noun("machine", "die Maschine Maschine Maschinen", DEVICE),
    noun("oven", "der Ofen Ofens Öfen", DEVICE),
    noun("key", "der Schlüssel Schlüssels Schlüssel", TOOL),
    noun("knife, knives", "das Messer Messers Messer", TOOL),
    noun("spoon", "der Löffel Löffels Löffel", TOOL),
    noun("plate", "der Teller Tellers Teller", TOOL),
    noun("hammer", "der Hammer Hammers Hämmer", TOOL),
    noun("umbrella", "der Regenschirm Regenschirms Regenschirme", TOOL | BIG),
    noun("pencil", "der Bleistift Bleistifts Bleistifte", TOOL),
    noun("present", "das Geschenk Geschenks Geschenke", TOY | BIG),
    noun("ball", "der Ball Balls Bälle", TOY | BIG),
    noun("doll", "die Puppe Puppe Puppen", TOY | BIG),
    // Plants
    noun("tree", "der Baum Baumes Bäume", PLANT | CLIMBED | COVER | HIDEOUT),
    noun("flower", "die Blume Blume Blumen", PLANT),
    noun("rose", "die Rose Rose Rosen", PLANT),
    noun("bush", "der Busch Busches Büsche", PLANT | COVER | HIDEOUT),
    // Events and weather
    noun("movie", "der Film Films Filme", EVENT),
    noun("concert", "das Konzert Konzerts Konzerte", EVENT),
    noun("exam", "die Prüfung Prüfung Prüfungen", EVENT),
    noun("trip", "die Reise Reise Reisen", EVENT),
    noun("wedding", "die Hochzeit Hochzeit Hochzeiten", EVENT),
    noun("rain", "der Regen Regens -", WEATHER | MASS),
    noun("storm", "der Sturm Sturms Stürme", WEATHER),
    noun("snow", "der Schnee Schnees -", WEATHER | MASS),
    noun("cold", "die Kälte Kälte -", WEATHER | MASS),
];
