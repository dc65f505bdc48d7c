"""Networks trained on the real world, which packages carry: EfficientNet-Lite2 looks at pictures,
musicnn listens to music. Neither was asked for feeling: lib.systems.real_world reads it off their
features. Source: Tan & Le (2019), its "lite" form; Pons & Serra (2019).  Notebook: 06."""

from collections.abc import Sequence

import numpy as np
import timm
import torch
from PIL import Image

from lib.models.musicnn import Musicnn
from lib.pretrained.audioset import AudioSetEncoder
from lib.pretrained.loading import Pretrained, Source, load_own

SIDE = 260  # pixels, as published
# of the Million Song Dataset, in the package's order
MUSIC_TAGS = (
    "rock", "pop", "alternative", "indie", "electronic", "female vocalists", "dance", "00s",
    "alternative rock", "jazz", "beautiful", "metal", "chillout", "male vocalists", "classic rock",
    "soul", "indie rock", "mellow", "electronica", "80s", "folk", "90s", "chill", "instrumental",
    "punk", "oldies", "blues", "hard rock", "ambient", "acoustic", "experimental",
    "female vocalist", "guitar", "hip-hop", "70s", "party", "country", "easy listening", "sexy",
    "catchy", "funk", "electro", "heavy metal", "progressive rock", "60s", "rnb", "indie pop",
    "sad", "house", "happy")


class PictureFeatures(Pretrained):
    """An EfficientNet-Lite2."""
    def embed_pictures(self, pictures: Sequence[np.ndarray], batch: int = 16) -> np.ndarray:
        """Pictures uint8 [H, W, 3] → pooled features float32 [N, 1280]."""
        found = [np.zeros((0, self.width), np.float32)]
        for at in range(0, len(pictures), batch):
            with torch.inference_mode():
                maps = self.model.forward_features(pixels(pictures[at : at + batch]))
                found.append(self.model.forward_head(maps, pre_logits=True).numpy())
        return np.concatenate(found)

    def logits(self, features: np.ndarray) -> np.ndarray:
        """Pooled features [N, 1280] → logits of ImageNet's classes float32 [N, 1000]."""
        with torch.inference_mode():
            return self.model.get_classifier()(torch.from_numpy(features)).numpy()


def pixels(pictures: Sequence[np.ndarray]) -> torch.Tensor:
    """Pictures uint8 [H, W, 3] → the middle square of each at 260², float [N, 3, 260, 260] in
    [−1, 1]."""
    squares = []
    for picture in pictures:
        height, width, _ = picture.shape
        side = min(height, width)
        left, top = (width - side) // 2, (height - side) // 2
        square = Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.BICUBIC,
                                                 (left, top, left + side, top + side))
        squares.append(np.asarray(square, np.float32))
    return torch.from_numpy(np.stack(squares)).permute(0, 3, 1, 2) / 127.5 - 1


def load_picture_features(source: Source, device: str, dtype=None) -> PictureFeatures:
    """A folder's network, on the processor."""
    model = load_own(source, lambda config: timm.create_model(config["architecture"]),
                     "EfficientNet")
    return PictureFeatures(source, model, "cpu", width=model.num_features)


class MusicTags(AudioSetEncoder):
    """A musicnn: ``embed`` gives its last hidden layer, `pools` what it hears all of."""
    labels = MUSIC_TAGS

    def embed(self, windows: np.ndarray) -> np.ndarray:
        """Windows float32 [N, 47872] → embeddings float32 [N, 200]."""
        return self._outputs(lambda sound: self.model(sound)[1], windows)

    def logits(self, windows: np.ndarray) -> np.ndarray:
        """Windows float32 [N, 47872] → logits of the tags float32 [N, 50]."""
        return self._outputs(lambda sound: self.model(sound)[0], windows)

    def pools(self, windows: np.ndarray) -> np.ndarray:
        """Windows float32 [N, 47872] → each channel's maximum and mean float32 [N, 1506]."""
        return self._outputs(lambda sound: self.model(sound)[2], windows)


def load_music_tags(source: Source, device: str, dtype=None) -> MusicTags:
    """A folder's musicnn, in single precision."""
    return MusicTags(source, load_own(source, lambda config: Musicnn(), "musicnn"), device)
