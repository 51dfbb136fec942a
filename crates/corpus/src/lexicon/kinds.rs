//! Sets of semantic classes: which words fit which, so that sentences make sense.

/// A set of semantic classes, one bit each.
pub type Kinds = u128;

macro_rules! kinds {
    ($($name:ident = $bit:expr, $doc:literal;)+) => {
        $(#[doc = $doc] pub const $name: Kinds = 1 << $bit;)+
    };
}

kinds! {
    PERSON = 0, "Human beings.";
    KIN = 1, "Friends and others who can have an owner: *my neighbor*.";
    ANIMAL = 2, "Animals.";
    DRAFT = 3, "Animals that pull a cart.";
    PET = 4, "Animals of house and farm.";
    VEHICLE = 5, "Things that move on their own or are drawn.";
    TRANSIT = 6, "Things to travel by.";
    LOAD = 7, "Things that an animal pulls.";
    WAY = 8, "Things to cross.";
    WATERS = 9, "Rivers and lakes.";
    BARRIER = 10, "Things to jump over.";
    FOOD = 11, "Things to eat.";
    COOKED = 12, "Things to cook.";
    BAKED = 13, "Things to bake.";
    DRINK = 14, "Things to drink.";
    FURNITURE = 15, "Furniture.";
    SURFACE = 16, "Things to be *on*.";
    BED = 17, "Things that animals sleep on or in.";
    CONTAINER = 18, "Portable containers.";
    BUILDING = 19, "Buildings.";
    ROOM = 20, "Rooms.";
    AREA = 21, "Gardens, woods, towns.";
    SITE = 22, "Places to be *at* and go *to*.";
    TEXT = 23, "Things to read.";
    WRITING = 24, "Things that a person writes.";
    CLOTHES = 25, "Things to wear.";
    DEVICE = 26, "Things to switch on.";
    TOOL = 27, "Small useful things.";
    TOY = 28, "Things that children play with.";
    PLANT = 29, "Plants.";
    EVENT = 30, "Things with a beginning and an end.";
    WEATHER = 31, "Reasons to stay at home.";
    SONG = 32, "Things to sing.";
    THOUGHT = 33, "Problems, rules, plans.";
    REPLIED = 34, "Things to answer.";
    TOLD = 35, "Things to tell.";
    LEARNED = 36, "Things to learn.";
    OPENED = 37, "Things to open and close.";
    MASS = 38, "Uncountable things.";
    SHOP = 39, "Places to buy things.";
    GROUP = 40, "Places to meet people.";
    WON = 41, "Things to win.";
    BIG = 42, "Things that may be too big for a bag.";
    FRUIT = 43, "Things to pick.";
    WALL = 44, "Things that a picture hangs on.";
    HUNG = 45, "Things that hang on a wall.";
    CITY = 47, "Places to live.";
    CLIMBED = 48, "Things that an animal climbs.";
    GROUND = 49, "Things outdoors to be *on*.";
    COVER = 50, "Things to hide under.";
    FAMILY = 51, "Relatives, who always have an owner.";
    TOWN = 52, "Towns and villages.";
    DEEP = 54, "Things to fall into.";
    PATH = 55, "Things that lead somewhere.";
    TRAFFIC = 56, "Places where many pass.";
    WHEELED = 57, "Things that roll.";
    PUSHED = 58, "Things to push.";
    SOLVED = 59, "Things to solve.";
    HIDEOUT = 60, "Things to hide behind.";
    HOLDER = 61, "Things to put other things into.";
    FODDER = 62, "Things that animals eat.";
    SOLE = 63, "Relatives of whom a person has only one.";
    LINE = 64, "Things that depart by a timetable.";
    HIGH = 65, "Things that block the way.";
}

/// Living beings.
pub const ANIMATE: Kinds = PERSON | ANIMAL;
/// Things that a hand can hold.
pub const PORTABLE: Kinds = CONTAINER | TEXT | CLOTHES | TOOL | TOY;
/// Things that a shop sells.
pub const GOODS: Kinds = PORTABLE | FURNITURE | DEVICE | WHEELED;
/// Things to own.
pub const OWNED: Kinds = GOODS | PET | KIN | FAMILY | OPENED | ROOM | FOOD;
/// Things to see.
pub const VISIBLE: Kinds = ANIMATE | GOODS | VEHICLE | BUILDING | PLANT | WATERS;
