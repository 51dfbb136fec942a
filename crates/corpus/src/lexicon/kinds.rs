//! What can be said of what: sets of semantic classes, so that sentences make sense.

/// A set of semantic classes, one bit each.
pub type Kinds = u128;

macro_rules! kinds {
    ($($name:ident = $bit:expr, $doc:literal;)+) => {
        $(#[doc = $doc] pub const $name: Kinds = 1 << $bit;)+
    };
}

kinds! {
    PERSON = 0, "Human beings.";
    KIN = 1, "Friends and others of whom one may say whose they are: *my neighbor*.";
    ANIMAL = 2, "Animals.";
    DRAFT = 3, "Animals that pull a cart.";
    PET = 4, "Animals of house and farm.";
    VEHICLE = 5, "What moves on its own or is drawn.";
    TRANSIT = 6, "What one travels by.";
    LOAD = 7, "What an animal pulls.";
    WAY = 8, "What is crossed.";
    WATERS = 9, "Rivers and lakes.";
    BARRIER = 10, "What is jumped over.";
    FOOD = 11, "What is eaten.";
    COOKED = 12, "What is cooked.";
    BAKED = 13, "What is baked.";
    DRINK = 14, "What is drunk.";
    FURNITURE = 15, "Furniture.";
    SURFACE = 16, "What one is *on*.";
    BED = 17, "What animals sleep on or in.";
    CONTAINER = 18, "Portable containers.";
    BUILDING = 19, "Buildings.";
    ROOM = 20, "Rooms.";
    AREA = 21, "Gardens, woods, towns.";
    SITE = 22, "What one is *at* and goes *to*.";
    TEXT = 23, "What is read.";
    WRITING = 24, "What a person writes.";
    CLOTHES = 25, "What is worn.";
    DEVICE = 26, "What is switched on.";
    TOOL = 27, "Small things of use.";
    TOY = 28, "What children play with.";
    PLANT = 29, "Plants.";
    EVENT = 30, "What has a beginning and an end.";
    WEATHER = 31, "What one stays at home because of.";
    SONG = 32, "What is sung.";
    THOUGHT = 33, "Problems, rules, plans.";
    REPLIED = 34, "What is answered.";
    TOLD = 35, "What is told.";
    LEARNED = 36, "What is learned.";
    OPENED = 37, "What is opened and closed.";
    MASS = 38, "What is not counted.";
    SHOP = 39, "Where one buys.";
    GROUP = 40, "Where one comes to know people.";
    WON = 41, "What is won.";
    BIG = 42, "What may be too big for a bag.";
    FRUIT = 43, "What is picked.";
    WALL = 44, "What a picture hangs on.";
    HUNG = 45, "What hangs on a wall.";
    CITY = 47, "Where one lives.";
    CLIMBED = 48, "What an animal climbs.";
    GROUND = 49, "What is outdoors and one is *on*.";
    COVER = 50, "What one hides under.";
    FAMILY = 51, "Relatives, of whom one says whose they are.";
    TOWN = 52, "Towns and villages.";
    DEEP = 54, "What one can fall into.";
    PATH = 55, "What leads somewhere.";
    TRAFFIC = 56, "Where many pass.";
    WHEELED = 57, "What rolls.";
    PUSHED = 58, "What one pushes.";
    SOLVED = 59, "What is solved.";
    HIDEOUT = 60, "What one hides behind.";
    HOLDER = 61, "What things are put into.";
    FODDER = 62, "What animals eat.";
    SOLE = 63, "Relatives of whom one has one.";
    LINE = 64, "What departs by a timetable.";
    HIGH = 65, "What stands in the way.";
}

/// What breathes.
pub const ANIMATE: Kinds = PERSON | ANIMAL;
/// Things that a hand can hold.
pub const PORTABLE: Kinds = CONTAINER | TEXT | CLOTHES | TOOL | TOY;
/// Things that a shop sells.
pub const GOODS: Kinds = PORTABLE | FURNITURE | DEVICE | WHEELED;
/// Things that one calls one's own.
pub const OWNED: Kinds = GOODS | PET | KIN | FAMILY | OPENED | ROOM | FOOD;
/// Things that one sees.
pub const VISIBLE: Kinds = ANIMATE | GOODS | VEHICLE | BUILDING | PLANT | WATERS;
