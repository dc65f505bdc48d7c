"""The atelier's words: where each stands on the affect plane, what each subject looks like, and the
sentences they stand in. Positions are tenths, valence and arousal in [−10, 10], placed by us after
Russell (1980) and the order of the NRC VAD lexicon. Notebook: 02."""


def _split(text: str, mark: str) -> tuple[str, ...]:
    return tuple(" ".join(text.split()).split(mark))


def _points(text: str) -> dict[str, tuple[int, int]]:  # "word valence arousal; …"
    entries = (entry.rsplit(" ", 2) for entry in _split(text, "; "))
    return {word: (int(valence), int(arousal)) for word, valence, arousal in entries}


def _phrases(text: str) -> dict[str, tuple[str, ...]]:  # "name: phrase | phrase; …"
    entries = (entry.split(": ") for entry in _split(text, "; "))
    return {name: _split(phrases, " | ") for name, phrases in entries}


FEELINGS = _points("""ecstatic 9 9; thrilled 8 9; elated 9 8; exhilarated 8 8; excited 7 8;
    energetic 5 9; awake 4 7; triumphant 7 8; astonished 4 8; festive 8 6; playful 7 6; joyful 9 6;
    lively 6 7; amused 7 4; delighted 9 4; inspired 6 4; happy 8 2; cheerful 8 3; proud 6 3; hopeful
    6 1; glad 7 0; grateful 7 -1; warm 6 -2; content 7 -4; tender 5 -4; safe 6 -5; soothed 6 -6; at
    ease 7 -6; relaxed 6 -7; serene 7 -8; peaceful 8 -8; calm 5 -8; rested 5 -9; dreamy 4 -6;
    curious 3 2; attentive 1 2; alert 1 6; restless -2 6; startled -1 8; overwhelmed -3 9; wide
    awake 1 9; stirred 2 4; undecided -1 0; thoughtful 1 -3; pensive -1 -4; detached -2 -3;
    indifferent -2 -1; sleepy 0 -9; drowsy 1 -9; quiet 2 -7; numb -4 -7; tired -3 -8; weary -4 -8;
    bored -4 -6; wistful -2 -5; melancholy -5 -5; sad -7 -4; gloomy -7 -6; lonely -7 -3; hopeless -9
    -4; desolate -9 -6; mournful -7 -6; empty -6 -8; dejected -8 -5; drained -6 -9; lifeless -8 -9;
    abandoned -9 -7; disappointed -6 -2; ashamed -6 -1; hurt -8 -1; troubled -6 1; bitter -8 1;
    uneasy -4 3; worried -5 3; disturbed -7 3; disgusted -9 2; tense -4 6; nervous -4 5; anxious -6
    6; distressed -8 5; agitated -5 7; alarmed -6 8; hostile -8 6; afraid -8 7; angry -7 8; furious
    -9 9; terrified -9 8; frantic -6 9; panicked -8 9""")
IMAGES = _points("""as if a whole street had begun to dance 8 8; like the moment the fireworks go up
    7 9; as if someone had thrown every window open 6 6; like children let out of school 8 7; like
    the first warm day of the year 8 2; as if good news had just arrived 8 3; like a kitchen where
    friends are cooking 7 1; like being welcomed home 8 -1; as if nobody had to be anywhere 6 -7;
    like a long Sunday afternoon 6 -6; like breathing out slowly 5 -8; as if someone had laid a
    blanket over me 7 -7; like a pulse that quickens 1 7; as if an alarm had gone off somewhere -5
    8; like a sentence that stops halfway -1 0; as if I were waiting for a train -1 -3; like half a
    memory 0 -5; like the hour before sleep 2 -8; like a room after everyone has left -6 -6; as if a
    letter would never be answered -7 -3; like rain that does not stop -6 -5; like a house nobody
    lives in -7 -7; as if all warmth had drained away -8 -8; like an old wound -7 -1; like something
    rotting out of sight -8 2; as if a quarrel were about to break out -5 5; like footsteps behind
    me -6 6; like a scream held back -8 8; as if the walls were closing in -8 6; as if the ground
    were shaking -5 9; like a storm that has found me -6 9""")
LOOKS = _points("""the colours are so bright and full 8 7; everything glows and moves at once 7 9;
    the warm light jumps from place to place 6 6; the colours are clear and friendly 8 2; the light
    is generous 7 0; the colours are pale and soft 6 -6; the light hardly touches anything 5 -8; the
    brush has been slow and gentle 4 -7; the colours are balanced, neither loud nor faint 1 0; one
    part holds the other in check 0 1; every edge is sharp and quick 0 8; the strokes go in all
    directions -2 8; there is little left of any colour -5 -8; the greys swallow everything -7 -7;
    it is dim and still -5 -6; the colours have gone dull -6 -4; the shadows are too heavy -7 -1;
    the dark presses in -7 3; the dark reds burn without giving light -8 7; the contrasts are harsh
    and crowded -6 8; the paint looks torn -7 9""")
MOODS = _points("""euphoric 9 9; exuberant 8 8; driving 3 9; sparkling 7 6; playful 7 5; jubilant 9
    7; sunny 8 2; good-natured 7 1; hopeful 6 1; tender 5 -4; warm 6 -3; serene 7 -8; meditative 3
    -8; dreamy 4 -6; lulling 6 -9; poised 2 0; even-tempered 0 0; reflective 0 -4; restless -2 6;
    urgent -1 8; wistful -2 -5; nostalgic -1 -4; solemn -3 -5; mournful -7 -6; bleak -8 -7; desolate
    -9 -8; sombre -6 -4; bitter -8 1; brooding -6 0; uneasy -4 3; ominous -7 4; menacing -8 7;
    aggressive -7 8; frantic -6 9; furious -9 9; tense -5 6; bold 4 7; festive 8 7; graceful 6 -2;
    plaintive -5 -3""")
# subject: what a commentator calls it, then what a caption may say of it; none leans on affect
SEEN = {subject: (called, tuple(seen)) for subject, (called, *seen) in _phrases("""hills: the hills
    | hills one behind the other | a range of hills with a few trees | fields and hills to the
    horizon | hilly country under the sky; forest: the trees | a forest at the edge of a meadow |
    many trees standing close | a wood with the hills behind it | rows of trees across the land;
    village: the village | a village around its church tower | houses between fields | a church and
    some houses among trees | roofs and a tower in the country; river: the river | a river winding
    through fields | a stream that comes down from the hills | water between two banks | a river
    bend with trees; harbour: the harbour | boats in a harbour before a row of houses | sailing
    boats near the quay | a harbour town seen from the water | masts and houses by the sea; open
    sea: the sea | the open sea with a sail | waves to the horizon | a boat far out on the water |
    nothing but sea and sky and a boat; cliffs: the cliffs | cliffs above the sea | a rocky coast
    with surf at its foot | headlands one behind the other | a steep coast and the water below;
    lighthouse: the lighthouse | a striped lighthouse on a rock | a lighthouse above the waves | a
    tower with a lamp by the sea | a rock with a lighthouse; fruit: the fruit | a bowl of fruit on a
    table | apples and pears in a dish | fruit on a table with a cloth | a dish of fruit before a
    wall; flowers: the flowers | flowers in a vase | a bunch of flowers on a table | a vase with
    blossoms and leaves | cut flowers before a wall; bottles: the bottles | bottles and fruit on a
    table | a row of bottles | several bottles with labels | glass bottles before a hanging; books:
    the books | a pile of books with a candle | books lying and leaning on a table | a candle on a
    stack of books | old books beside each other; bands: the bands | horizontal bands of colour |
    broad stripes, one above the other | a few wide bands on a ground | layered fields of colour;
    windows: the fields of colour | overlapping rectangles of colour | patches like windows on a
    ground | rectangles with soft borders | several fields of colour, one over another; veils: the
    veils of colour | upright veils of colour | transparent stripes from top to bottom | thin
    curtains of paint | colours flowing down the canvas; squares: the squares | squares inside
    squares | nested squares of colour | a square within a frame within a frame | concentric
    squares; circles: the circles | circles and lines on a ground | discs and rings that overlap |
    rings of several sizes | a set of circles crossed by lines; triangles: the triangles | triangles
    fitted together | a surface broken into triangles | facets of colour edge to edge | a mosaic of
    triangles; grid: the grid | a grid with coloured cells | dark lines and rectangles of colour | a
    lattice of coloured fields | coloured panes between bars; bars: the bars | bars crossing at
    angles and a disc | beams of colour and a circle | straight bars laid over one another | a disc
    among bars; strokes: the brush strokes | broad brush strokes on a ground | long strokes that
    cross | a few wide sweeps of the brush | sweeping strokes of paint; drips: the drips | dripping
    paint and loops | runs of paint down the canvas | blots with drips below them | paint that was
    let run; arcs: the arcs | arcs and rings drawn with a full brush | curved strokes that turn back
    | loops of paint | circling brush strokes; marks: the marks | short marks scattered over a
    ground | many small strokes | dashes of paint side by side | small marks in all places; street:
    the street | a street with lamps at night | a road between houses under the moon | lit windows
    along a street | a town street after dark; moonlit lake: the lake | a lake under the moon |
    moonlight on water | the moon and its reflection in a lake | a lake shore at night; rooftops:
    the roofs | roofs of a town at night | rooftops and lit windows under the moon | a town seen
    over its roofs after dark | chimneys, roofs and the moon; bridge: the bridge | a bridge over a
    river at night | a lit bridge and its reflection | lamps on a bridge under the moon | the arches
    of a bridge after dark; seated figure: the sitter | a person sitting in a chair | a seated
    figure with folded hands | someone in a coat, seated | a sitter facing us; profile: the face | a
    head in profile | a person seen from the side | a face turned to the side | a sitter in profile;
    bust: the head | a sculpted head on a base | a bust of pale stone | a stone head and shoulders |
    a bust before a wall; two figures: the two of them | two people side by side | a pair, shoulder
    to shoulder | two figures in coats | two sitters next to each other""").items()}
STYLE_NAMES = _phrases("""landscape: a landscape | a country scene | an outdoor view; seascape: a
    seascape | a marine painting | a view of the coast; still_life: a still life | a table piece | a
    study of things; colour_field: a colour field painting | an abstract canvas | a painting of
    large areas; geometric: a geometric abstraction | a constructed picture | an abstract of hard
    edges; gestural: a gestural abstraction | an action painting | an abstract made with the arm;
    night_scene: a night scene | a nocturne | a night picture; portrait: a portrait | a likeness | a
    figure painting""")
GENRE_NAMES = _phrases("""ambient: ambient piece | ambient soundscape; classical_piano: classical
    piano piece | piece for solo piano; string_quartet: string quartet movement | piece for string
    quartet; jazz_trio: jazz trio number | jazz tune; folk: folk tune | folk song without words;
    electronic: electronic track | synthesizer track; march: march | brass band march; waltz: waltz
    | dance in three; chorale: chorale | choral setting; rock: rock track | rock instrumental""")
CAPTIONS = _split("""{Style} of {seen}. | {Style} showing {seen}. | {Seen}, in {style}. | {Style}:
    {seen}. | {Style} with {stuff}: {seen}. | A painting of {seen}. | An oil painting of {seen}. |
    {Seen}, painted with a visible brush. | A canvas with {seen}. | {Seen} on canvas. | We see
    {seen}. | The painter shows {seen}. | {Style} in oil, with {seen}. | A square canvas, {style},
    with {seen}. | {Seen}: {style} in oil. | A picture of {seen}, with {stuff}. | {Style} on a
    square canvas; it shows {seen}. | {Seen}, as {style}.""", " | ")
COMMENTS = _split("""This makes me feel {feel} and {also}; {look}. | I feel {feel} when I look at
    {thing}, {image}. | {Look}, and it leaves me {feel}. | Something about {thing} makes me {feel},
    almost {also}. | {Thing}: {look}. I am {feel}, {image}. | At first I was {feel}. Then I saw that
    {look}, and now I am {also} as well. | It is {image}. I feel {feel}. | Looking at {thing} for a
    while I become {feel}, because {look}. | I would say I am {feel} and {also}, {image}. | {Look};
    standing here I feel {feel} rather than {not}. | You might expect to be {not}, but the sight of
    {thing} makes me {feel}: {look}. | {Thing} could be anywhere. What stays is that I feel {feel},
    {image}. | This is how the world looks when one is {feel}: {look}. | I feel {also}, then {feel},
    {image}. | The painter must have been {feel}; {look}. | Whoever sees {thing} like this is
    {feel}, I think, and {also}. | For me it is about being {feel}. It is {image}, and {look}. |
    {Image}: that is how {feel} I feel in front of {thing}. | I keep looking at {thing}. It makes me
    {feel}, {image}, since {look}. | Not {not} at all. I am {feel} here, and a little
    {also}.""", " | ")
DESCRIPTIONS = _split("""{Mood} and {mood2} {genre} in {key} at {tempo}, with {instruments}.
    {Melody}. | A {mood} {genre}. {Tempo}, {loud}, in {key}; {instruments} play. {Melody}. | At
    {tempo}, a {genre} in {key}: {instruments}, {loud}, {mood} throughout. {Melody}. | A {genre}
    that stays {mood} and turns {mood2}. {Melody}; {instruments}, {loud}, {key}, {tempo}. |
    {Instruments} in a {mood}, {mood2} {genre} at {tempo}. {Melody}; the key is {key}. | This
    {genre} in {key} is {mood} and {loud}. {Melody}, played by {instruments} at {tempo}. | {Melody}.
    {Instruments} share a {mood} {genre}, {loud}, in {key}, at {tempo}.""", " | ")
STUFF = _phrases("""landscape: grass | land; seascape: water | waves; still_life: a table | a wall
    behind; colour_field: paint | colour; geometric: shapes | lines; gestural: brush marks | paint;
    night_scene: lights | a moon; portrait: a plain ground | a face""")
LOUD = _phrases("""pp: very soft | hardly audible; p: soft | quiet; mp: fairly soft | restrained;
    mf: moderately loud | of medium volume; f: loud | strong; ff: very loud | at full volume""")
