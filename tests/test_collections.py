"""The adapters, on small replicas in the publishers' own layouts and on the real files where they
are.
"""

import zipfile

import numpy as np
import pandas as pd
import pytest
import soundfile
from PIL import Image

from lib.core.errors import KlangfarbeError
from lib.data import manifest, registry
from lib.data.collections import layout, music, pairs, pictures
from lib.signal import affect

COLLECTIONS = registry.COLLECTIONS


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())


def sound(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.1 * np.random.default_rng(0).standard_normal(16_000), 16_000)


def picture(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (8, 8, 3), dtype=np.uint8)).save(path)


# --- replicas: what the publisher ships, three rows of it ---


def make_deam(root):
    place = root / "annotations" / "annotations averaged per song" / "song_level"
    write(
        place / "static_annotations_averaged_songs_1_2000.csv",
        "song_id, valence_mean, valence_std, arousal_mean, "
        "arousal_std\n2,3.1,0.94,3,0.63\n3,9,1.75,1,1.62\n1001,9,1,5,1\n",
    )
    write(
        place / "static_annotations_averaged_songs_2000_2058.csv",
        "song_id, valence_mean, valence_std, arousal_mean, arousal_std\n2001,1,1,7,1\n",
    )
    write(root / "metadata" / "metadata_2013.csv",
          'song_id,file_name,Artist,Song title,Genre\n2,2.mp3,"Someone\t","\tA Song\t",\tBlues\n')
    sound(root / "MEMD_audio" / "2.mp3")


def make_emomusic(root):
    write(
        root / "annotations" / "static_annotations.csv",
        "song_id,mean_arousal,std_arousal,mean_valence,std_valence\n2,3.1,0.9,3,0.6\n3,9,1,1,1\n",
    )
    write(
        root / "annotations" / "songs_info.csv",
        '"song_id","file_name","Artist","Song title","start of the segment '
        '(min.sec)","end of the segment (min.sec)",' '"Genre","Mediaeval 2013 set"\n'
        '2,"\t2.mp3","Someone\t","\tA ' 'Song\t","\t0.48\t","\t1.33\t","\tBlues\t","development"\n'
        '3,"\t3.mp3","Another\t","\tB ' 'Song\t","\t0.36\t","\t1.21\t","\tRock\t","evaluation"\n',
    )
    sound(root / "clips_45seconds" / "2.mp3")


def make_pmemo(root):
    inner = root / "PMEmo2019"
    write(inner / "annotations" / "static_annotations.csv",
          "musicId,Arousal(mean),Valence(mean)\n1,0.4,0.575\n5,1,0\n")
    write(
        inner / "metadata.csv",
        "musicId,fileName,title,artist,album,duration,chorus_start_time,chorus_end_time\n"
        '1,1.mp3,Good Drank,2 Chainz,"Vol. 2, B",32.1,02:35,03:05\n'
        '4,4.mp3,Unlabelled,Someone,,28,03:00,03:26\n5,5.mp3,Third,Someone,,28,03:00,03:26\n',
    )
    sound(inner / "chorus" / "1.mp3")


def make_emotify(root):
    head = ("track id, genre, amazement, solemnity, tenderness, nostalgia, calmness, power, "
            "joyful_activation, tension, sadness, mood, ")
    head += "liked, disliked, age"
    rows = [
        "1,classical,0,0,0,0,1,0,0,0,0,3,1,0,21",
        "1,classical,0,0,0,0,1,0,0,0,1,3,1,0,21",
        "203,electronic,0,0,0,0,0,0,0,1,0,3,1,0,21",
        "301,pop,0,0,0,0,0,0,0,0,0,3,1,0,21",
    ]
    write(root / "data.csv", "\r\n".join([head, *rows]) + "\r\n")
    sound(root / "emotifymusic" / "classical" / "1.mp3")
    sound(root / "emotifymusic" / "electronic" / "3.mp3")


def make_vgmidi(root):
    write(
        root / "labelled" / "src" / "vgmidi.csv",
        "id,series,console,game,piece,midi,valence,arousal\n"
        "8001,FF,PS1,FF VII,Continue,../phrases/FF_PS1_FF VII_Continue_0.mid,1,0\n"
        "8001,FF,PS1,FF VII,Continue,../phrases/FF_PS1_FF VII_Continue_1.mid,1,0\n"
        "8005,LZ,N64,LZ MM,Alien Invasion,../phrases/LZ_N64_LZ MM_Alien Invasion_0.mid,0,1\n",
    )
    write(root / "labelled" / "phrases" / "FF_PS1_FF VII_Continue_0.mid", "MThd")


def make_oasis(root):  # the first heading is empty, lines end in CR alone
    write(
        root / "OASIS.csv",
        "\r".join(
            [
                ",Theme,Category,Source,Valence_mean,Valence_SD,Valence_N,Arousal_mean,Arousal_SD,"
                "Arousal_N",
                "I1,Acorns 1,Object,Pixabay,4,0.9,102,1,1.6,101",
                "I2,Acorns 2,Object,Pixabay,7,0.8,102,2.5,1.4,101",
                "I56,BDSM 1,Person,Wikipedia,4.3,1.4,102,4.5,1.7,101",
            ]
        )
        + "\r",
    )
    picture(root / "images" / "Acorns 1.jpg")


def make_wikiart_emotions(root):
    emotions = list(affect.WIKIART_POINTS)
    head = ["ID", "Style", "Category", "Artist", "Title", "Year", "Image URL", "Painting Info URL",
            "Artist Info URL", "Is painting", "Face/body",
            "Ave. art rating",] + [f"{seen}: {e}"
                                   for seen in ("Art (image+title)", "ImageOnly", "TitleOnly")
                                   for e in emotions]

    def row(identity, painting, **shares):
        return [
            identity,
            "Modern Art",
            "Cubism",
            "A. Painter",
            "Untitled",
            "1910",
            "http://i",
            "http://p",
            "http://a",
            painting,
            "none",
            "1.0",
            *(str(shares.get(e, 0)) for e in emotions),
            *["0"] * 40,
        ]

    lines = [head, row("58a", "yes", happiness=0.5, sadness=0.5), row("58b", "no", fear=0.9),
             row("58c", "yes")]
    write(root / "WikiArt-Emotions-All.tsv", "\n".join("\t".join(line) for line in lines) + "\n")
    picture(root / "images" / "58a.jpg")


def make_cgna10766(root):
    write(root / "CGnA10766.csv",
          "Image_Name,Mean_Valence,Mean_Arousal\n000001.jpg,9,1\n000002.jpg,5,5\n")
    picture(root / "Images" / "000001.jpg")


def make_mirex(root):
    write(root / "dataset" / "clusters.txt", "Cluster 5\nCluster 2\n")
    write(root / "dataset" / "categories.txt", "Agressive\nCheerful\n")
    sound(root / "dataset" / "Audio" / "002.mp3")


def make_imemnet(root):
    write(root / "val_matching.txt", "7-1 sea 0.5\n7-2 sky 0.25\n")
    write(root / "test_matching.txt", "7-1 sea 0.5\n9-1 sun 0.9\n")
    picture(root / "images" / "sea.jpg")
    sound(root / "music" / "9-1.wav")


def make_melbench(root):
    write(root / "data" / "train_final.json",
          '{"captions": "a waltz", "location": "/else/audio/a.wav", "img_path": '
          '"/else/img/x.png"}\n'
          '{"captions": "a march", "location": "/else/audio/b.wav", "img_path": '
          '"/else/img/x.png", "genre": "march"}\n')
    write(root / "data" / "test_final.json",
          '{"captions": "a hum", "location": "/else/audio/c.wav", "img_path": "/else/img/y.png"}\n')
    picture(root / "img" / "x.png")
    sound(root / "audio" / "c.wav")


def make_art2mus(root):
    write(root / "image_audio_subset_df.json",
          '{"Image": {"0": "a-painter_first.jpg", "1": "a-painter_second.jpg"}, '
          '"Audio": {"0": "fma-dataset/fma_large/010/010425.mp3", "1": '
          '"fma-dataset/fma_large/036/036460.mp3"}}')
    picture(root / "images" / "a-painter_first.jpg")


def make_artemis(root):
    write(root / "official_data" / "artemis_dataset_release_v0.csv",
          "art_style,painting,emotion,utterance,repetition\n"
          'Impressionism,a-painter_first,contentment,"Calm, like a held breath.",2\n'
          "Impressionism,a-painter_first,Sadness,The grey makes me "
          "sad.,2\nCubism,b-painter_second,something else,A puzzle.,1\n")
    picture(root / "wikiart" / "Impressionism" / "a-painter_first.jpg")


def make_musiccaps(root):
    write(root / "musiccaps-public.csv",
          "ytid,start_s,end_s,audioset_positive_labels,aspect_list,caption,author_id,"
          "is_balanced_subset,is_audioset_eval\n"
          "-0Gj8,30,40,\"/m/04rlf,/m/0140xf\",\"['sad', 'mellow piano']\",A sad piano plays.,4,"
          "False,True\n"
          "xyz,0,10,/m/04rlf,\"['happy']\",A happy tune.,1,True,False\n")
    sound(root / "clips" / "xyz.wav")


def make_mer_audio_4q(root):
    inner = root / "MER_audio_taffc_dataset"
    write(inner / "panda_dataset_taffc_metadata.csv",
          '"Song","Artist","Title","Quadrant","PQuad","MoodsTotal","Moods","MoodsFoundStr",'
          '"MoodsStr","MoodsStrSplit","Genres","GenresStr","Sample","SampleURL"\n'
          '"MT1","The ""5"" Royales","A Song","Q1",0.75,4,3,"fiery","Fiery","Fiery",2,'
          '"R&B; Blues",1,"http://r/a"\n'
          '"MT2","","B Song","Q2",1,1,1,"bitter","Bitter","Bitter",1,"",1,"http://r/b"\n'
          '"MT3","C","C Song","Q3",1,1,1,"bleak","Bleak","Bleak",1,"Jazz",1,"http://r/c"\n'
          '"MT4","C","D Song","Q4",1,1,1,"calm","Calm","Calm",1,"Jazz",1,"http://r/d"\n')
    sound(inner / "Q1" / "MT1.mp3")
    sound(inner / "Q4" / "MT4.mp3")


def make_artemis_subset(root):
    write(root / "Dataset" / "1k_batch.csv",
          "painting,art_style,emotion,repetition,emotion_label,pne,Link,utterance\n"
          "a-painter_first_light,Baroque,Awe,6,1,0,http://w/1.jpg,So bright. So still.\n"
          "a-painter_second,Baroque,sadness,5,8,1,http://w/2.jpg,The grey makes me sad.\n"
          "b-painter_third,Cubism,something else,5,9,2,,A puzzle.\n")
    picture(root / "images" / "a-painter_first_light.jpg")


def make_emobank(root):
    write(root / "corpus" / "emobank.csv",
          "id,split,V,A,D,text\n"
          '110CYL068_1036_1079,train,5.0,1.0,3.2,"Remember what she said? """\n'
          "110CYL068_1079_1110,test,2.0,3.5,2.8,None\n"
          "SemEval_12,dev,3.0,3.0,3.0,Storm hits the coast\n")


EXPECTED = {  # item → (path, group, valence, arousal)
    "deam": {
        "deam-0002": ("MEMD_audio/2.mp3", "artist:Someone", -0.5, -0.475),
        "deam-0003": (None, "deam-0003", -1, 1),
        "deam-1001": (None, "deam-1001", 1, 0),
        "deam-2001": (None, "deam-2001", -1, 0.5),
    },
    "emomusic": {
        "emomusic-0002": ("clips_45seconds/2.mp3", "artist:Someone", -0.5, -0.475),
        "emomusic-0003": (None, "artist:Another", -1, 1),
    },
    "pmemo": {
        "pmemo-0001": ("PMEmo2019/chorus/1.mp3", "artist:2 Chainz", 0.15, -0.2),
        "pmemo-0004": (None, "artist:Someone", None, None),
        "pmemo-0005": (None, "artist:Someone", -1, 1),
    },
    "emotify": {
        "emotify-001": ("emotifymusic/classical/1.mp3", "emotify-001", (2 * 0.5 - 0.7) / 3,
                        (-2 * 0.8 - 0.5) / 3),
        "emotify-203": ("emotifymusic/electronic/3.mp3", "emotify-203", -0.7, 0.6),
        "emotify-301": (None, "emotify-301", None, None),
    },
    "vgmidi": {
        "vgmidi-FF_PS1_FF VII_Continue_0": ("labelled/phrases/FF_PS1_FF VII_Continue_0.mid",
                                            "vgmidi-FF VII: Continue", 0.5, -0.5),
        "vgmidi-FF_PS1_FF VII_Continue_1": (None, "vgmidi-FF VII: Continue", 0.5, -0.5),
        "vgmidi-LZ_N64_LZ MM_Alien Invasion_0": (None, "vgmidi-LZ MM: Alien Invasion", -0.5, 0.5),
    },
    "oasis": {
        "oasis-I1": ("images/Acorns 1.jpg", "oasis-Acorns", 0, -1),
        "oasis-I2": (None, "oasis-Acorns", 1, -0.5),
        "oasis-I56": (None, "oasis-BDSM", 0.1, 0.5 / 3),
    },
    "wikiart_emotions": {
        "wikiart-58a": ("images/58a.jpg", "wikiart-58a", 0.05, 0),
        "wikiart-58b": (None, "wikiart-58b", -0.8, 0.7),
        "wikiart-58c": (None, "wikiart-58c", None, None),
    },
    "cgna10766": {
        "cgna10766-000001": ("Images/000001.jpg", "cgna10766-000001", 1, -1),
        "cgna10766-000002": (None, "cgna10766-000002", 0, 0),
    },
    "mirex": {
        "mirex-001-audio": (None, "mirex-001", -0.7, 0.8),
        "mirex-002-audio": ("dataset/Audio/002.mp3", "mirex-002", 0.8, 0.2),
    },
    "imemnet": {
        "imemnet-audio-7-1": (None, "imemnet-audio-7", None, None),
        "imemnet-audio-7-2": (None, "imemnet-audio-7", None, None),
        "imemnet-audio-9-1": ("music/9-1.wav", "imemnet-audio-9", None, None),
        "imemnet-image-sea": ("images/sea.jpg", "imemnet-image-sea", None, None),
        "imemnet-image-sky": (None, "imemnet-image-sky", None, None),
        "imemnet-image-sun": (None, "imemnet-image-sun", None, None),
    },
    "melbench": {
        "melbench-image-img/x": ("img/x.png", "melbench-1", None, None),
        "melbench-image-img/y": (None, "melbench-0", None, None),
        "melbench-audio-audio/a": (None, "melbench-1", None, None),
        "melbench-audio-audio/b": (None, "melbench-1", None, None),
        "melbench-audio-audio/c": ("audio/c.wav", "melbench-0", None, None),
    },
    "artemis": {
        "artemis-000000": ("wikiart/Impressionism/a-painter_first.jpg", "artemis-a-painter_first",
                           None, None),
        "artemis-000001": ("wikiart/Impressionism/a-painter_first.jpg", "artemis-a-painter_first",
                           None, None),
        "artemis-000002": (None, "artemis-b-painter_second", None, None),
    },
    "musiccaps": {
        "musiccaps--0Gj8-30": (None, "musiccaps--0Gj8", None, None),
        "musiccaps-xyz-0": ("clips/xyz.wav", "musiccaps-xyz", None, None),
    },
    "art2mus": {
        "art2mus-image-a-painter_first": ("images/a-painter_first.jpg", "artist:a-painter", None,
                                          None),
        "art2mus-image-a-painter_second": (None, "artist:a-painter", None, None),
        "art2mus-audio-010425": (None, "art2mus-010425", None, None),
        "art2mus-audio-036460": (None, "art2mus-036460", None, None),
    },
}


EXPECTED |= {
    "mer_audio_4q": {
        "mer4q-MT1": ("MER_audio_taffc_dataset/Q1/MT1.mp3", 'artist:The "5" Royales', 0.5, 0.5),
        "mer4q-MT2": (None, "mer4q-MT2", -0.5, 0.5),
        "mer4q-MT3": (None, "artist:C", -0.5, -0.5),
        "mer4q-MT4": ("MER_audio_taffc_dataset/Q4/MT4.mp3", "artist:C", 0.5, -0.5),
    },
    "artemis_subset": {
        "artemis_subset-a-painter_first_light": ("images/a-painter_first_light.jpg",
                                                 "artist:a-painter", 0.5, 0.7),
        "artemis_subset-a-painter_second": (None, "artist:a-painter", -0.7, -0.5),
        "artemis_subset-b-painter_third": (None, "artist:b-painter", None, None),
    },
    "emobank": {
        "emobank-110CYL068_1036_1079": (None, "emobank-110CYL068", 1, -1),
        "emobank-110CYL068_1079_1110": (None, "emobank-110CYL068", -0.5, 0.25),
        "emobank-SemEval_12": (None, "emobank-SemEval_12", 0, 0),
    },
}


@pytest.fixture(params=list(COLLECTIONS))
def replica(request, tmp_path):
    globals()[f"make_{request.param}"](tmp_path)
    return request.param, tmp_path


def test_the_publishers_layout_is_read(replica):
    name, root = replica
    table = COLLECTIONS[name].manifest(root)
    found = {r["item_id"]: r for r in table.to_dict("records")}
    assert set(found) == set(EXPECTED[name])
    for item, (path, group, valence, arousal) in EXPECTED[name].items():
        row = found[item]
        assert (None if pd.isna(row["path"])
                else row["path"]) == path and row["group_id"] == group and row["source"] == name
        for value, expected in ((row["valence"], valence), (row["arousal"], arousal)):
            assert (pd.isna(value) and expected
                    is None) or value == pytest.approx(expected, abs=1e-9)
        assert path is None or (root / path).is_file()


def test_a_missing_file_is_named_with_where_to_get_it(replica):
    name, root = replica
    tables = [p for p in sorted(root.rglob("*"))
              if p.suffix in (".csv", ".tsv") and "metadata_2013" not in p.name]
    for file in tables:
        kept = file.read_bytes()
        file.unlink()
        with pytest.raises(KlangfarbeError) as error:
            COLLECTIONS[name].manifest(root)
        line = str(error.value)
        assert file.name in line or name == "cgna10766"
        assert f"data fetch {name} " in line and "\n" not in line
        file.write_bytes(kept)
    with pytest.raises(KlangfarbeError, match="no such folder"):
        COLLECTIONS[name].manifest(root / "elsewhere")


def test_a_table_of_another_kind_is_refused(replica):
    name, root = replica
    for file in sorted(root.rglob("*")):
        if file.suffix in (".csv", ".tsv") and "metadata_2013" not in file.name:
            kept = file.read_bytes()
            file.write_text("one,two\n1,2\n")
            with pytest.raises(KlangfarbeError):
                COLLECTIONS[name].manifest(root)
            file.write_bytes(b"")
            with pytest.raises(KlangfarbeError, match="expected a table; got"):
                COLLECTIONS[name].manifest(root)
            file.write_bytes(kept)


def test_replicas_build_into_manifests_with_their_files_measured(replica, tmp_path_factory):
    name, root = replica
    table = COLLECTIONS[name].manifest(root)
    built = manifest.build(table, tmp_path_factory.mktemp("out"), root=root)
    broken = {"vgmidi"}  # its one score is four bytes long
    assert len(built.rejects) == (1 if name in broken else 0)
    assert built.manifest["sha256"].notna().sum() == (
        0 if name in broken else sum(path is not None for path, *_ in EXPECTED[name].values())
    )


@pytest.mark.parametrize(
    ("name", "maker", "file", "column"),
    [("deam", make_deam, "annotations/annotations averaged per "
      "song/song_level/static_annotations_averaged_songs_1_2000.csv", "3.1"),
     ("emomusic", make_emomusic, "annotations/static_annotations.csv", "3.1"),
     ("pmemo", make_pmemo, "PMEmo2019/annotations/static_annotations.csv", "0.575"),
     ("oasis", make_oasis, "OASIS.csv", "4.3"), ("cgna10766", make_cgna10766, "CGnA10766.csv", "9"),
     ("vgmidi", make_vgmidi, "labelled/src/vgmidi.csv", ",1,0"),
     ("emobank", make_emobank, "corpus/emobank.csv", "3.5"),],
)
def test_labels_on_another_scale_are_refused(name, maker, file, column, tmp_path):
    maker(tmp_path)
    text = (tmp_path / file).read_bytes().decode()
    assert column in text
    (tmp_path / file).write_bytes(text.replace(column,
                                               ",7,0" if column == ",1,0" else "57.5").encode())
    with pytest.raises(KlangfarbeError, match="another scale"):
        COLLECTIONS[name].manifest(tmp_path)


def test_pmemo_tells_its_two_scales_apart(tmp_path):
    make_pmemo(tmp_path)
    published = COLLECTIONS["pmemo"].manifest(tmp_path)
    write(
        tmp_path / "repackaged" / "meta" / "static_annotations.csv",
        "song_id,valence_mean,valence_std,arousal_mean,arousal_std\n1,5.6,0.16,4.2,0.15\n"
        "5,1,0.1,9,0.1\n",
    )
    write(tmp_path / "repackaged" / "meta" / "metadata.csv",
          (tmp_path / "PMEmo2019" / "metadata.csv").read_text())
    repackaged = COLLECTIONS["pmemo"].manifest(tmp_path / "repackaged")
    assert np.allclose(published[["valence", "arousal"]], repackaged[["valence", "arousal"]],
                       equal_nan=True)


def test_deam_as_published_keeps_the_exchange(tmp_path):
    make_deam(tmp_path)
    ours, theirs = (COLLECTIONS["deam"].manifest(tmp_path, exchange_2013=back)
                    for back in (True, False))
    assert (ours["valence"] == theirs["arousal"]).tolist() == [True, True, False, False]
    assert (ours["valence"] == theirs["valence"]).tolist() == [False, False, True, True]


def test_wikiart_can_leave_out_what_is_no_painting(tmp_path):
    make_wikiart_emotions(tmp_path)
    assert COLLECTIONS["wikiart_emotions"].manifest(tmp_path,
                                     paintings_only=True)["item_id"].tolist() == ["wikiart-58a",
                                                                                  "wikiart-58c"]


def test_an_unknown_heading_is_listed(tmp_path):
    write(tmp_path / "a.csv", "picture,pleasure,energy\n1.jpg,5,5\n")
    with pytest.raises(KlangfarbeError, match="picture, pleasure, energy"):
        COLLECTIONS["cgna10766"].manifest(tmp_path)


def test_layout_finds_the_first_of_several_places(tmp_path):
    write(tmp_path / "b" / "second.csv", "x\n")
    assert layout.find_file("deam", tmp_path, ["a/first.csv", "b/*.csv"]).name == "second.csv"
    assert layout.list_files(tmp_path, (".mp3",), "absent") == {}


def test_imemnets_items_keep_their_list_and_take_the_points_of_a_table_beside_it(tmp_path):
    make_imemnet(tmp_path / "imemnet")
    write(tmp_path / "imemnet_c" / "image_va.csv",
          ",img,valence,arousal\n0,sea,1,0.25\n1,sea,0,0\n")
    write(tmp_path / "imemnet" / "music_va.csv",
          ",clip_id,valence,arousal,caption\n0,9-1,0,1,a slow hum\n")
    rows = COLLECTIONS["imemnet"].manifest(tmp_path / "imemnet").set_index("item_id")
    assert rows.loc["imemnet-image-sea",
                    ["valence", "arousal"]].tolist() == [1,
                                                         -0.5], "the first of two points is taken"
    assert rows.loc["imemnet-audio-9-1",
                    ["valence", "arousal", "description"]].tolist() == [-1, 1, "a slow hum"]
    assert rows["split"].isna().tolist() == [True, False, False, True, False,
                                             False], "what stands in two lists belongs to none"
    assert rows["split"].dropna().tolist() == ["validation", "test", "validation", "test"]
    write(tmp_path / "imemnet" / "image_va.csv", ",img,valence,arousal\n0,sea,5,2\n")
    with pytest.raises(KlangfarbeError, match="another scale"):
        COLLECTIONS["imemnet"].manifest(tmp_path / "imemnet")


def test_melbenchs_triplets_hang_together_by_picture_and_sound(tmp_path):
    make_melbench(tmp_path)
    write(tmp_path / "data" / "validation.jsonl",
          '{"captions": "again", "location": "audio/c.wav", "img_path": "img/x.png"}\n')
    table = pairs.triplets(tmp_path)
    assert table["group"].nunique() == 1 and table["split"].tolist() == ["test", "train", "train",
                                                                         "validation"]
    assert table["genre"].tolist() == [None, None, "march",
                                       None] and table["image"].tolist() == ["img/y.png",
                                                                             *["img/x.png"] * 3]
    rows = COLLECTIONS["melbench"].manifest(tmp_path).set_index("item_id")
    assert pd.isna(rows.loc["melbench-audio-audio/c",
                            "split"]) and rows.loc["melbench-image-img/y", "split"] == "test"


def test_artemis_keeps_words_label_and_painting_and_refuses_another_label(tmp_path):
    make_artemis(tmp_path)
    table = pictures.artemis_comments(tmp_path)
    assert table["emotion"].tolist() == ["contentment", "sadness", "something else"]
    assert table["comment"].tolist()[0] == "Calm, like a held breath." and table[
        "painting"].nunique() == 2
    file = tmp_path / "official_data" / "artemis_dataset_release_v0.csv"
    file.write_text(file.read_text().replace("Sadness", "bored"))
    with pytest.raises(KlangfarbeError, match="'bored'"):
        COLLECTIONS["artemis"].manifest(tmp_path)


def test_a_part_of_artemis_keeps_sentences_style_and_link_and_refuses_another_label(tmp_path):
    make_artemis_subset(tmp_path)
    published = COLLECTIONS["artemis_subset"].manifest(tmp_path)
    first = published.iloc[0]
    assert (first["emotion"], first["comment"], first["genre"], first["origin_url"]) == (
        "awe", "So bright. So still.", "Baroque", "http://w/1.jpg")
    assert pd.isna(published["origin_url"][2])
    file = tmp_path / "Dataset" / "1k_batch.csv"
    text = file.read_text()
    write(tmp_path / "repackaged" / "artemis_1k.csv", text.replace("Link", "wikiart_url"))
    repackaged = COLLECTIONS["artemis_subset"].manifest(tmp_path / "repackaged")
    pd.testing.assert_frame_equal(published.drop(columns="path"), repackaged.drop(columns="path"))
    file.write_text(text.replace("sadness", "bored"))
    with pytest.raises(KlangfarbeError, match="'bored'"):
        COLLECTIONS["artemis_subset"].manifest(tmp_path)


@pytest.mark.parametrize("place", ["emotify", "emotify_extra"])
def test_emotify_is_grouped_by_artist_where_the_artists_are_known(place, tmp_path):
    make_emotify(tmp_path / "emotify")
    # a line for a track that nobody rated, none for track 301, no name for track 203
    write(tmp_path / place / "emotify_artists.csv",
          "file,genre,n,artist,album,title,year,track id\n"
          "audio_15s/classical_001.ogg,classical,1,Voices of Music,Suites,Largo,2008,1\n"
          "audio_15s/classical_002.ogg,classical,2,Voices of Music,Suites,Presto,2008,2\n"
          "audio_15s/electronic_003.ogg,electronic,3,,Suites,Presto,2008,203\n")
    rows = COLLECTIONS["emotify"].manifest(tmp_path / "emotify")
    assert rows["group_id"].tolist() == ["artist:Voices of Music", "emotify-203", "emotify-301"]


def test_the_artists_in_emotifys_own_folder_come_before_those_beside_it(tmp_path):
    make_emotify(tmp_path / "emotify")
    for place, artist in (("emotify", "Own"), ("emotify_extra", "Beside")):
        write(tmp_path / place / "emotify_artists.csv", f"track id,artist\n1,{artist}\n")
    assert COLLECTIONS["emotify"].manifest(tmp_path / "emotify")["group_id"][0] == "artist:Own"
    write(tmp_path / "emotify" / "emotify_artists.csv", "track,artist\n1,Own\n")
    with pytest.raises(KlangfarbeError, match="no track id"):
        COLLECTIONS["emotify"].manifest(tmp_path / "emotify")


def test_songs_of_four_quadrants_read_the_same_repackaged_and_refuse_a_fifth(tmp_path):
    make_mer_audio_4q(tmp_path)
    published = COLLECTIONS["mer_audio_4q"].manifest(tmp_path)
    assert published["genre"].tolist()[0] == "r&b; blues" and pd.isna(published["genre"][1])
    assert published["description"].tolist()[2:] == ["C Song by C", "D Song by C"]
    # the inner folder given by itself
    inner = COLLECTIONS["mer_audio_4q"].manifest(tmp_path / "MER_audio_taffc_dataset")
    assert inner["path"].dropna().tolist() == ["Q1/MT1.mp3", "Q4/MT4.mp3"]
    write(tmp_path / "repackaged" / "labels.csv",
          "file,song_id,artist,title,quadrant,PQuad,Genres,GenresStr\n"
          'audio_10s/MT1.ogg,MT1,"The ""5"" Royales",A Song,Q1,0.75,2,R&B; Blues\n'
          "audio_10s/MT2.ogg,MT2,,B Song,Q2,1,1,\naudio_10s/MT3.ogg,MT3,C,C Song,Q3,1,1,Jazz\n"
          "audio_10s/MT4.ogg,MT4,C,D Song,Q4,1,1,Jazz\n")
    sound(tmp_path / "repackaged" / "audio_10s" / "MT3.ogg")
    repackaged = COLLECTIONS["mer_audio_4q"].manifest(tmp_path / "repackaged")
    assert repackaged["path"].dropna().tolist() == ["audio_10s/MT3.ogg"]
    pd.testing.assert_frame_equal(published.drop(columns="path"), repackaged.drop(columns="path"))
    write(tmp_path / "fifth" / "labels.csv", "song_id,artist,title,quadrant,GenresStr\nMT1,,,Q5,\n")
    with pytest.raises(KlangfarbeError, match="one of Q1, Q2, Q3, Q4 in every row.*'Q5'"):
        COLLECTIONS["mer_audio_4q"].manifest(tmp_path / "fifth")


def test_emobank_keeps_its_split_and_a_sentence_that_says_none(tmp_path):
    make_emobank(tmp_path)
    rows = COLLECTIONS["emobank"].manifest(tmp_path)
    assert rows["split"].tolist() == ["train", "test", "validation"]
    assert rows["comment"].tolist() == ['Remember what she said? "', "None", "Storm hits the coast"]
    assert set(rows["modality"]) == {"text"}


def test_musiccaps_lists_become_words_and_the_evaluation_set_is_the_test(tmp_path):
    make_musiccaps(tmp_path)
    table = music.captions(tmp_path)
    assert table["keywords"].tolist() == ["sad, mellow piano",
                                          "happy"] and table["split"].tolist() == ["test", "train"]
    file = tmp_path / "musiccaps-public.csv"
    file.write_text(file.read_text().replace("['happy']", "['happy'"))
    with pytest.raises(KlangfarbeError, match="lists of aspects"):
        music.captions(tmp_path)


def test_real_musiccaps_is_whole(real_data):
    table = music.captions(real_data("musiccaps"))
    assert len(table) == 5521 and table["clip"].is_unique and table["caption"].str.len().min() > 10
    assert table["keywords"].str.contains("[",
                                          regex=False).sum() == 0 and set(table["split"]) == {
        "train", "test"}


@pytest.mark.parametrize(
    ("name", "file", "text"),
    [("melbench", "train.json", "{"), ("melbench", "train.json",
                                     '{"captions": "a", "location": "b.wav"}'),
     ("melbench", "train.json", "[1]"), ("melbench", "train.json", ""),
     ("art2mus", "image_audio_subset_df.json", "{"),
     ("art2mus", "image_audio_subset_df.json", '{"Image": {"0": "a"}}'),
     ("imemnet", "test_matching.txt", "7-1 sea much\n"), ("imemnet", "test_matching.txt", "")],
)
def test_lists_of_another_form_are_refused_in_one_line(name, file, text, tmp_path):
    write(tmp_path / file, text)
    with pytest.raises(KlangfarbeError) as error:
        COLLECTIONS[name].manifest(tmp_path)
    assert file in str(error.value) or "score" in str(error.value)
    assert "\n" not in str(error.value)
    (tmp_path / file).unlink()
    with pytest.raises(KlangfarbeError, match=f"data fetch {name} "):
        COLLECTIONS[name].manifest(tmp_path)


# --- cards ---


@pytest.mark.parametrize("name", list(COLLECTIONS))
def test_every_collection_has_a_whole_card_in_the_readme(name):
    card = registry.card(name)
    assert list(card) == ["What", "Where", "Licence", "Layout", "Scale", "Known defects"]
    assert all(len(text) > 10 for text in card.values())


# --- the real files ---


@pytest.mark.real_data
def test_real_label_tables(real_data):
    songs = COLLECTIONS["deam"].manifest(real_data("mer_annotations") / "deam")
    assert len(songs) == 1802 and songs["valence"].notna().all()
    choruses = COLLECTIONS["pmemo"].manifest(real_data("mer_annotations") / "pmemo")
    assert len(choruses) == 794 and choruses["valence"].notna().sum() == 767
    assert len(COLLECTIONS["emomusic"].manifest(real_data("mer_annotations") / "emomusic")) == 744


@pytest.mark.real_data
def test_deam_and_emomusic_agree_on_their_744_songs_once_exchanged(real_data):
    first = COLLECTIONS["emomusic"].manifest(real_data("mer_annotations") / "emomusic")
    first = first.set_index("item_id")
    first.index = first.index.str.replace("emomusic", "deam")
    ours = COLLECTIONS["deam"].manifest(real_data("mer_annotations")
                         / "deam").set_index("item_id").loc[first.index]
    theirs = COLLECTIONS["deam"].manifest(real_data("mer_annotations") / "deam",
                           exchange_2013=False).set_index("item_id").loc[first.index]
    for axis, other in (("valence", "arousal"), ("arousal", "valence")):
        assert ours[axis].corr(first[axis]) > 0.999
        assert theirs[axis].corr(first[axis]) == pytest.approx(0.599,
                                                               abs=0.002) and theirs[axis].corr(
            first[other]) > 0.999
    means = first.groupby("genre")[["valence", "arousal"]].mean()
    assert means["arousal"].idxmax() == "rock" and means[
        "arousal"].idxmin() == "classical" and means["valence"].idxmax() == "country"


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["deam", "pmemo", "emomusic"])
def test_mood_probabilities_are_the_labels_in_disguise(name, real_data):
    meta = real_data("mer_annotations") / name / "meta"
    labels = pd.read_csv(meta
                         / "static_annotations.csv").set_index("song_id")[["valence_mean",
                                                                           "arousal_mean"]]
    moods = pd.read_csv(meta / "mood_probabilities.csv").set_index("song_id").loc[labels.index]
    tags = pd.read_csv(real_data("mer_annotations") / "jamendo" / "meta"
                       / "moodtag_va_scores.csv").set_index("MoodTag").loc[moods.columns]
    distance = np.linalg.norm(labels.to_numpy()[:, None] - tags.to_numpy()[None], axis=2)
    assert np.abs(moods.to_numpy() - 2 / (1 + np.exp(distance))).max() < 1e-12


@pytest.mark.real_data
def test_real_pictures_and_sounds_build_without_a_reject(real_data, tmp_path):
    for collection, name, with_file in (
        ("oasis", "oasis", 428),
        ("wikiart_paintings", "wikiart_emotions", 302),
        ("deam_audio_sample", "emomusic", 10),
    ):
        table = COLLECTIONS[name].manifest(real_data(collection))
        assert table["path"].notna().sum() == with_file
        built = manifest.build(table[table["path"].notna()].reset_index(drop=True),
                               tmp_path / collection, root=real_data(collection))
        assert len(built.rejects) == 0 and not built.manifest["sha256"].duplicated().any()


@pytest.mark.real_data
def test_the_regressors_collections_are_whole_and_grouped(real_data, tmp_path):
    songs = COLLECTIONS["mer_audio_4q"].manifest(real_data("mer_audio_4q"))
    assert len(songs) == songs["path"].notna().sum() == 679
    assert songs["group_id"].str.startswith("artist:").sum() == 676
    assert set(songs["valence"]) == set(songs["arousal"]) == {-0.5, 0.5}
    given = pd.read_csv(real_data("mer_audio_4q") / "labels.csv").set_index("song_id")
    given = given.loc[songs["item_id"].str.removeprefix("mer4q-")]
    for axis in ("valence", "arousal"):
        assert (songs[axis].gt(0).to_numpy() == given[f"{axis}_high"].eq(1).to_numpy()).all()
    works = COLLECTIONS["artemis_subset"].manifest(real_data("artemis_subset"))
    assert (len(works), works["path"].notna().sum(), works["group_id"].nunique()) == (921, 183, 374)
    listed = set(pd.read_csv(real_data("artemis_subset") / "paintings.csv")["file"])
    assert set(works["path"].dropna()) == listed and works["valence"].notna().all()
    sentences = COLLECTIONS["emobank"].manifest(real_data("lexicons") / "emobank")
    assert sentences["split"].value_counts().to_dict() == {"train": 8062, "validation": 1000,
                                                           "test": 1000}
    assert sentences["comment"].notna().all() and sentences["valence"].notna().all()
    meta = pd.read_csv(real_data("lexicons") / "emobank" / "meta.tsv", sep="\t", index_col="id")
    given = meta.loc[sentences["item_id"].str.removeprefix("emobank-"), "document"]
    masc = given.ne("SemEval").to_numpy()
    assert (sentences["group_id"][masc] == "emobank-" + given[masc].to_numpy()).all()
    assert sentences["group_id"][~masc].is_unique
    tracks = COLLECTIONS["emotify"].manifest(real_data("emotify"))
    real_data("emotify_extra")
    assert tracks["group_id"].str.startswith("artist:").all()
    assert tracks["group_id"].nunique() == 116


@pytest.mark.real_data
def test_real_emotify_and_vgmidi(real_data, tmp_path):
    tracks = COLLECTIONS["emotify"].manifest(real_data("emotify"))
    assert len(tracks) == 301 and tracks["path"].notna().all()
    assert all(path.startswith(f"audio_15s/{genre}_") for path,
               genre in zip(tracks["path"], tracks["genre"], strict=True))
    given = pd.read_csv(real_data("emotify") / "emotify_mean.csv")
    # ties are broken by column order here
    assert (given["dominant"].to_numpy() == tracks["emotion"].to_numpy()).mean() > 0.95
    phrases = COLLECTIONS["vgmidi"].manifest(real_data("vgmidi_phrases"))
    assert len(phrases) == 6795 and phrases["group_id"].nunique() == 200 and phrases[
        "path"].isna().all()
    with zipfile.ZipFile(real_data("vgmidi_phrases") / "phrases.zip") as archive:
        archive.extractall(tmp_path, members=archive.namelist()[:20])
    (tmp_path / "phrases.csv").write_bytes((real_data("vgmidi_phrases")
                                            / "phrases.csv").read_bytes())
    there = COLLECTIONS["vgmidi"].manifest(tmp_path)
    there = there[there["path"].notna()].reset_index(drop=True)
    built = manifest.build(there, tmp_path / "out", root=tmp_path)
    assert len(there) == 20 and len(built.manifest) + len(built.rejects) == 20 and built.manifest[
        "duration_s"].gt(0).all()


@pytest.mark.real_data
def test_real_lists_of_pairs(real_data):
    rows = COLLECTIONS["imemnet"].manifest(real_data("imemnet"))
    assert rows["modality"].value_counts().to_dict() == {"audio": 6912, "image": 5040}
    lists = pairs.read_imemnet(real_data("imemnet"))
    there = set(map(tuple, lists.loc[lists["published"] == "test", ["clip", "image"]].to_numpy()))
    assert sum(pair in there for pair in map(tuple,
                                             lists.loc[lists["published"] == "val",
                                                       ["clip", "image"]].to_numpy())) == 4114
    named = COLLECTIONS["art2mus"].manifest(real_data("art2mus_pairs"))
    assert len(named) == 20_000 and named.loc[named["modality"] == "image",
                                              "group_id"].nunique() < 10_000
