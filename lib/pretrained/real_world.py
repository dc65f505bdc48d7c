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
    """An EfficientNet-Lite2: `width` numbers of a picture, the first `n_pooled` its last layer's."""
    n_pooled = 1280

    def embed_pictures(self, pictures: Sequence[np.ndarray], batch: int = 2) -> np.ndarray:
        """Pictures uint8 [H, W, 3] → float32 [N, 2400]: the pooled last layer, then mean and
        standard deviation over the picture of each channel of the five stages before it."""
        found = [np.zeros((0, self.width), np.float32)]
        for at in range(0, len(pictures), batch):
            with torch.inference_mode():
                last, stages = self.model.forward_intermediates(pixels(pictures[at : at + batch]))
                pooled = self.model.forward_head(last, pre_logits=True)
                spread = [torch.cat([some.mean((2, 3)), some.std((2, 3))], dim=1)
                          for some in stages]
                found.append(torch.cat([pooled, *spread], dim=1).numpy())
        return np.concatenate(found)

    def logits(self, features: np.ndarray) -> np.ndarray:
        """Features [N, 2400] → logits of ImageNet's classes float32 [N, 1000]."""
        with torch.inference_mode():
            pooled = torch.from_numpy(features[:, : self.n_pooled])
            return self.model.get_classifier()(pooled).numpy()


def pixels(pictures: Sequence[np.ndarray]) -> torch.Tensor:
    """Pictures uint8 [H, W, 3], whole, squeezed to 260²: float [N, 3, 260, 260] in [−1, 1]. (The
    middle square, as the network was trained, tells arousal a little less well.)"""
    squares = [np.asarray(Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.BICUBIC),
                          np.float32) for picture in pictures]
    return torch.from_numpy(np.stack(squares)).permute(0, 3, 1, 2) / 127.5 - 1


def load_picture_features(source: Source, device: str, dtype=None) -> PictureFeatures:
    """A folder's network, on the processor."""
    model = load_own(source, lambda config: timm.create_model(config["architecture"]),
                     "EfficientNet")
    stages = sum(2 * some["num_chs"] for some in model.feature_info)
    return PictureFeatures(source, model, "cpu", width=PictureFeatures.n_pooled + stages)


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
