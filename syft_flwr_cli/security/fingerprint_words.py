"""Fingerprints as words: six short English words that two people can compare on the phone.

The list is frozen: 2048 words of three to eight letters, no two of them one letter apart, so that a
misheard word is noticed. Six words are 66 bits; they are drawn from a slow hash (scrypt, RFC 7914), so
that looking for a second key with the same words costs far more than 2^66 hashes (docs/adr/0002).
Knows nothing of keys.
"""

from typing import Final

from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

__all__ = ["PHRASE_WORDS", "WORDS", "normalise", "phrase"]

PHRASE_WORDS: Final = 6
"""Words in a phrase, 11 bits each."""

_SALT = b"syft-flwr words 1"


def phrase(fingerprint: bytes) -> str:
    """The words of a fingerprint, joined by hyphens.

    Takes some 30 ms and 16 MiB on purpose: scrypt with N = 2^14, r = 8, p = 1; the first 66 bits of its
    output, big-endian, are six numbers of 11 bits, each the place of a word in `WORDS`.
    """
    slow = Scrypt(salt=_SALT, length=16, n=1 << 14, r=8, p=1).derive(fingerprint)
    number = int.from_bytes(slow, "big")
    return "-".join(WORDS[(number >> (128 - 11 * (place + 1))) & 2047] for place in range(PHRASE_WORDS))


def normalise(text: str) -> str:
    """``text`` as `phrase` would write it: lower case, hyphens for spaces and commas."""
    return "-".join(text.lower().replace("-", " ").replace(",", " ").split())


_LIST = """
abbey absorb abundant academy accent account acorn acoustic acquire acre acrobat active actor actress
adapt address adhesive adjacent adjust admire adult advance adverb advice aerobic afford afloat agenda
agent agile agitate airport alarm album algae allow allspice almanac almighty almond alone alpine aluminum
always amazing amber ambition amount amuse analog analyst anatomy anchor ancient angelic angle animal
annex announce annual another answer anthem antique antler anvil apparel appetite applaud apple approve
apricot april apron aqua arbiter arcade arch arctic arena argument aroma arrive article artist ascend
aspect aspen asphalt assemble asset assist assume astonish athlete atlantic atlas atom atrium attach
attempt attend attic attract auburn auction audio august aurora author auto autumn avenue average aviator
avocado awake award awesome awkward axis baby bachelor backpack badger bagel bakery balance balcony ballad
ballet balloon balm bamboo bandana banjo bank banner barber bargain barista barley barn baroque barrel
basic basket bath baton bazaar beacon beak beanbag beard beaver bed bedrock beef beehive beetle began
behave belfry believe belly belt beluga bench beneath benefit beret beverage beyond bicycle bike billion
binder biology biplane birch bird birdcage biscuit bison black blade blanket blazer blend bless blink
blockade bloom blossom blouse bluebell blush boat bobcat body bold bonanza bonfire bonnet bonus bookmark
boost border botany bottle bottom boulder bounce boundary bouquet bowl box bracelet bracket braid branch
brass brave breeze brick bride briefing brigade bright brim bring broad brocade brochure bronze brook
brother brown bubble bucket buckle budget buffalo buffet build bulb bulletin bumper bundle bungalow bunny
bureau burrito business busy butler button buzz cabbage cabin cable cactus cadence cafe calcium calculus
calendar calf calico calorie calypso camel camera camp canal canary candid candle candy canoe canopy
canteen canvas capsule captain capture caramel carbon card cardinal cargo carnival carpet carrot carry
cartoon carve cascade cashew cassette castle casual catalog catapult catch cause caution cavern caviar
cedar celery cello cement center century ceramic ceremony certain chair chalk chamber champion chance
channel chapel chapter chariot charm chase chateau checkers cheek cheese cheetah chemist cherry chess
chestnut chevron chicken chief child chin choice chorus chrome chunk church chutney cider cilantro cinema
cinnamon circle circus citadel citizen city civic claim clarify class clean clerk clever client cliff
climate climb clinic clip cloak closet cloth cloud clove clown club cluster coach coast cobalt cobbler
cockpit cocoa coconut code coffee collar collect collie colony color colossal column comb comedy comet
comfort comma commerce common company compose computer concert concrete condor conduct confetti confirm
congress connect consider constant contain contest control convoy cookie copper copy coral cork corner
cornmeal correct corridor cosmic cosmos costume cottage cotton count couple courage cousin cover cow
coyote crab cradle craft crane crater crayon cream create credit cricket crimson crisp crocus crop cross
crowd crunch crust crystal cube cuckoo cucumber culture cup cupboard cupcake curator curious curl curtsy
cushion custom cutlery cycle cypress daffodil dahlia daisy dance daring dark dash data daughter dawn
daylight dazzle decade december decimal declare dedicate deep default defend degree delay delegate delight
deliver delta deluxe demand depart depth deputy derby deserve design desk destiny detail detect detour
develop device diagram dial dialogue diameter diamond diary diet digest digit dignity dinner dinosaur
diplomat direct disco discuss display dissolve distance divide division doctor document dog doll dolphin
domain dome domino donkey donor doorbell doorway dormouse double downhill downtown dozen dragon drama draw
dress drift drill drive drizzle drum dry duck dugout dumpling dune durable duration duty dynamo dynasty
eagle early earnest earring earth eastern echo eclipse ecology economy edit educate effort egg eighteen
elastic elbow elder election elegant element elevate elf elite embark embassy embrace emerald emission
emotion emperor emphasis empire employ empty emu enable encore endless endure energy engine engrave enjoy
enormous enough enrich ensemble entire entry envelope envision episode equal equator equinox equip era
errand escape escort espresso essay estate estimate estuary eternal evening event everyday evident exact
example exchange excite excuse exhaust exhibit exist exotic expand expense expert explain explore express
exterior extra eye eyebrow eyelash fabric face factory faculty faith falcon fall family famous fancy
fanfare fantasy farm farmland fashion father favor feature federal fence fern ferret fertile festive fiber
fiction fiddle fidget field fiery fig figment film filter final finch finger finish fire fireside firewood
first fish flag flame flannel flash fleet flex flexible flicker flight flint flock flora florist flounder
flow fluffy fluid flute fly foam focus foil folder folk follow foot footpath footstep forest forever
formula fortune forum forward found fountain foxglove fragile freckle freedom freezer freight frequent
fresh friend frigate fringe frog front frosty frozen fruit fuel fun furnace furrow future gadget galaxy
gallant gallery gallon game gangway garage garden garland garlic garment gas gauge gazebo gazelle gear
gecko gelatin gem general genesis genius gentle genuine geology gesture geyser gherkin giant gift giggle
gingham giraffe girl give glacier glad glance glaze glide glimmer glimpse glitter globe glory glossary
glue goal goblet goggles golden golf gondola good goose gourmet govern gown grace gradual graffiti grain
grammar grand granite graph gravel gravity gravy green grid griffin grizzly grocery groovy ground group
grove grow guard guess guitar gull gumdrop gust gymnast habit halftime halibut hallway hamlet hammer
hammock hamster hand handrail handsome hangar happy harbor harmony harness harp harvest hat hawk hazel
head health heather heaven hedge height helium helmet help hen herb heritage heron hexagon hickory hidden
highland hill hint hippo history hobby hockey holiday holly homework honest honey hoof hope horizon hornet
horse host human humble humidity hummus humor hundred hurry hybrid hyena ice iceberg icicle icon ideal
identity igloo image imagine imitate immense immune impact import improve impulse inbox income increase
index indigo indoor industry infinite inform inhale inherit initial inn input inside inspect inspire
install insulate intact intense interest invent invite involve iodine iris island isolate item ivory ivy
jacket jackpot jade jaguar janitor jar jasmine javelin jazz jetlag jewel jigsaw jingle job jogging join
joke journal jovial joyful jubilee judge juggle juice jukebox july jumbo jump juncture junior juniper
justice juvenile karate kayak kebab keen keepsake kennel kerosene ketchup kettle keystone kick kilo
kilobyte kimono kind kindness kinetic kingdom kingfish kinship kiosk kiss kitchen kite kitten kiwi knee
knife knock knuckle koala label lacquer ladder lady lagoon lake lamb landing landlord landmark lantern lap
large laser last lateral latin lattice laugh launch laundry laurel lavender lawyer leader leaf league
learn lecture leeway left legal legend leisure lemon length lens leopard letter lettuce level liberty
library license lid life lifeboat lilac lily limerick limit linen lion liquid listen liter little lizard
llama load lobster local location locker lodge logic lollipop lonely loop lottery lotus lounge lucky
luggage lullaby luminous lunar luxury lyric machine magazine magenta magic magnet magpie mahogany major
mammal mammoth mandate mandolin mango manual maple marathon marble margin marine market marsh marvel
mascot mason massive master matrix maverick maximum meadow meal measure mechanic media medical medium
mellow melody melon member memory mentor menu merchant mercury mercy merit mesh message meteor method
midnight midterm migrate mild mimic mineral mini minnow minute miracle mirror misplace mix mixture mobile
model modern modest modify moisture moment monarch monitor month monument moon morocco mortar mosaic
mother motor mouse movement movie muffin mule museum mushroom music mustang mutual myself mystery myth
mythical napkin narrow nation native nature navigate navy nebula neck necklace nectar needle neon nephew
nerve network neutral newt nickel nickname niece nimble nine nineteen noble noise nomad nominate noodle
normal north notable note notebook notice novel nucleus nugget number numerous nursery nut nutrient nylon
oak oasis oatmeal obelisk obey object oblige oboe obscure observe obtain obvious occupy ocean october
octopus odd odyssey offer office often olive omega omelet omnibus onion online onward onyx open opera
opinion opossum opposite optic optimist option oracle orange orbit orca orchard orchid oregano organ
orient origin ornament ostrich outback outcome outdoor outer outfit outline outpost outside overcome owner
oxford oxygen oyster ozone pacific pack paddock pagoda paint pajamas palace pamphlet pancake panda panel
panic panorama panther papaya paper papyrus parade paragon parcel parent parsley partner party pass
passport pasta pastel pastry patient patio patrol pattern pave pavement payment peach peacock peanut pearl
pebble pecan pedestal pelican pencil pendant penguin pepper perfect perform perfume perhaps person petunia
pheasant phone photo phrase physics pianist piano picnic picture pigeon pillar pillow pilot pinball pink
pinwheel pioneer pipe pirate pitch pizza planet plank plasma plate platform play plaza plenty plug plumage
plumber plywood poem polka polygon pond pool popcorn poppy popular porch porridge portal portrait possible
postbox postcard potato powder practice prairie praise precious premium prepare present pretty pretzel
price primary primrose printer prism process procure produce profile program project prolong promise proof
prosper protein proud proverb provide public pudding puddle pulp pulse puma pumpkin punch pupil puppet
purchase purple purpose pursuit push puzzle pyramid quail quality quantum quarry quarter queen query quest
quick quiet quill quince quiver quiz quota quotient raccoon radar radiant radical radio radish railroad
railway rainbow rainfall raisin rally rampart random rapid rare rattle raven ravine razor react ready
reason recall receive recipe record recycle reduce referee reflect reform refuge regatta region regular
rehearse relative relax relief remain remedy remember remnant remote render renew rent repair repeat
replica reply report reptile republic request require rescue research resource respond restore result
retire retrieve return reunion reveal reverse review revolve reward rhino rhythm rib rich ridge rigid
ringlet ripple rise ritual river roadmap robe robin robot robust rock rodeo romance room rooster rosemary
rotate rotunda roundup routine royal rubber rudder rug ruler runner runway rural rustic saddle safari
saffron sailor salad salmon salsa salt salute sample sandal sandwich sardine satchel saturn saucer sauna
sausage savanna scale scallop scan scarf scarlet scatter scenic scholar school science scissors scooter
score scorpion scout scratch screen screw script scroll seafood seagull search seaside seat seaweed second
secret section secure segment select semester senior sense sensible separate sequoia serenade series
servant session seven shade shaft shampoo shark shawl shed sheep shelf shelter shepherd sheriff shield
shimmer shine ship shirt shoelace shovel show showcase shrimp shrub shuffle shuttle sibling sidewalk
sierra sign silence silicon silk silver similar sincere sister sitar sixteen size skate sketch skin sky
skyline slab sleeve slipper slogan slope slot small smart smile smooth snail snake snorkel snowball soap
soccer social soda soft software solar soldier solid solo solution solve somebody someone sonata song
sorbet south space spaniel sparkle sparrow speak special spectrum speed spell sphere spinach spiral spirit
splash splendid sponge spoon sport spray spread spring sprout spruce squad square squash squeeze squirrel
stable stadium staff stage stallion stamp starfish startle station statute stay stepping stereo stick
still stirrup stone stool stop storage strand strategy straw stream street stretch strong strudel student
studio stunning sturdy subject sublime suburb subway success sudden sugar suggest suit suitcase summer
summit sunburn sundial sunlight sunset super supply support supreme surf surge surround survive sushi
suspect swift sycamore syrup system tablet tackle taco tactical tadpole tailgate talent talk tangent tape
target tariff tart taste taxi teapot teaspoon teddy teenager temper temple tempo tenant tendency tennis
term terrace terrier text thank theme theory therapy thick thimble thing thirteen thorn thought thread
three thriller thrive thumb tidal tiger timber timeline tiny tip tissue title today toddler together token
tolerant tomato tongue tooth topaz topic topsoil torrent tortoise total toucan tour towel toy track trade
traffic trail tranquil transit traverse tray treasure treaty trek trend tribe tribute tricycle trio
triumph trolley trombone trophy trousers trout true trumpet trunk truth tulip tuna tundra tungsten turban
turbine turkey turnip turtle tutor tuxedo twelve twenty twin tycoon typical ultimate umbrella uncle under
unfold unicorn uniform unique unity unlock until update upgrade uphold upper upright upset upstairs usage
useful user usual utility utopia vacant vacation vaccine vacuum valid valley valve vanguard vantage vapor
variable variety vase vault vector velvet vendor venture verify version vessel vest viaduct vibrant
vicinity video view vigilant villa vinyl violet violin virtue visa vision visit visual vital vitamin vivid
voice volatile volume voucher voyage waffle wage wagon waiter walnut walrus waltz wardrobe warrior
watchdog waterway wax weave wedding weekend welcome wetland wharf wheat wheel whisker wicker wide width
wildlife windmill window winter wintry wireless wisdom wishbone witness wombat wonder woodwork workshop
world worship woven wreath wren wrestler yacht yearling yoga yogurt young yucca zebra zenith zephyr
zeppelin zero zigzag zinc zipper zoo zucchini
"""

WORDS: Final = tuple(_LIST.split())
"""Every word of a phrase, in the order of the alphabet."""
