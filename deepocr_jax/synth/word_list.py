"""English words that are common on signs, labels and packages (written for this project)."""

_TEXT = """
a about above access account across active add address adult after agency air airport alarm all
allergy alpha also always amber an and animal annual any apple april area arrival art as ask
assembly at august auto autumn available avenue away baby back bad bag baggage baker bakery ball
bank bar barber bargain basement basic basket batch battery bay beach bear beauty bed beer before
begin below berry best better between beware beyond bicycle big bike bill bird black blend block
blue board boat body bolt book boots border bottle bottom boulevard bowl box branch brand bread
break bridge bright bring british broadway brother brown brush budget build building bus business
but butter button buy by cable cafe cake call camera camp can candle capital car card care cargo
carry case cash castle cat caution central centre century certified chain chair change charge
cheap check cheese chef chicken child choice church cinema circle city class classic clean clear
clinic clock close closed clothing cloud club coach coast coat cocoa code coffee coin cold college
colour comfort coming common company complete contact content control cook cool copper copy core
corner cost cotton council country court cover cream create credit cross crown crystal cup current
customer cut cycle daily dairy danger dark data date day dealer dear december deep delight
delivery dental depot design desk detail diamond diesel digital dining dinner direct discount
district do dock doctor dog door double down dream drink drive driver dry duck due during dust
duty each early earth east easy eat edge edition egg eight electric element elephant emergency
empire empty end energy engine english enjoy enter entrance entry equal equipment error event ever
every exam example exchange exit expert expires express extra eye fabric face factory fair fall
family famous farm fashion fast father february feed festival field fifty film final finance find
fine fire first fish fit five fix flash flat flight floor flower fly focus food foot for force
forest forever formula forward found four fragile frame free freedom fresh friday friend from
front frozen fruit fuel full fun furniture future gallery game garage garden gas gate general
gentle gift girl give glass global go gold good grand great green grey grill grocery ground group
guard guest guide gym hair half hall hammer hand handle happy harbour hardware harvest hat have
hazard head health heart heat heavy height hello help here heritage high highway hill history hold
holiday home honey hope horse hospital hot hotel hour house how hundred ice idea if import in inch
index india industry info inside insurance international into invoice iron island item jacket
january jazz jet job join journal journey juice july jump junction june just keep key kid kilo
kind king kitchen knife know label lake lamp land lane language large last late laundry law lead
leather leave left legal lemon length less lesson let letter level library licence life lift light
like limit line link lion liquid list little live load local lock london long look lost lot lounge
love low luck lunch luxury machine made magic mail main make mall man manager map march mark
market master match material max may meal measure meat media medical meet member memory men menu
metal meter metro middle mile milk mill mind mineral mini minute mirror mission mix mobile model
modern moment monday money month moon more morning most mother motion motor mountain mouse move
movie much multi museum music must my name narrow national nature near need net network never new
news next nice night nine no noise north not notice november now number oak ocean october of off
offer office often oil old olive on once one only open opening orange order organic original other
our out outlet output oven over own pack page pain paint palace pan paper park parking part party
pass passage passenger past pay peace pedestrian pen people pepper perfect person petrol phone
photo piano pick picture piece pilot pin pink pipe pizza place plan planet plant plastic plate
platform play please plus pocket point police polite pool popular port post potato power premium
present press price pride prime print private prize product professional project protect public
pull pump pure purple push quality quantity quarter queen quest quick quiet quote rabbit race
radio rail rain range rate ready real receipt recipe record recycle red reduce refund region
regular rent repair report request rescue reserved rest restaurant result retail return rice ride
right ring river road robin rock roll roof room rose round route royal rule run safe safety sail
salad sale salon salt same sample sand saturday sauce save scale school science screen sea season
seat second secret section security see select self sell senior sense september serial series
serve service set seven shade shadow shape share sharp ship shirt shoe shop short show shower side
sign silk silver simple single sister site six size skin sky sleep slow small smart smile smoking
smooth snack snow soap social soft solar solid solution some song soon sorry sound soup source
south space spare special speed spice sport spring square staff stage stainless stamp stand
standard star start state station steak steam steel step stock stone stop storage store storm
story street strong student studio style sugar summer sun sunday super supply support sure surface
sushi sweet swim switch system table take talk tank target taste tax taxi tea team technical
telephone ten tennis terminal test than thank that the theatre them then there they thing third
this thousand three thursday ticket tiger tile timber time tire to toast today together toilet
tomato tool top total touch tour tower town toy track trade traffic train transport travel tree
trial trip tropical truck true trust tuesday turn twelve twenty two type ultra under union unit
united unity university until up upper urban use valid valley value van vanilla vegetable vehicle
velvet very victory video view village vintage violet vision visit vital voice volume vote wagon
wait walk wall want warm warning warranty wash watch water wave way we wear weather web wednesday
week weight welcome west wet what wheat wheel when where white who why wide wild win wind window
wine winter wire wireless wish with woman women wonder wood wool word work workshop world worth
yard year yellow yes yesterday yoga you young your youth zebra zero zone zoo
"""

SIGN_WORDS: tuple[str, ...] = tuple(_TEXT.split())
"""The words in small letters, each once, in alphabetical order."""
