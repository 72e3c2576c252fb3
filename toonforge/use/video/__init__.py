"""Films and webcams through a model: sound, times, size and titles are kept, flicker can be taken out.

    import toonforge
    from toonforge.use.video import translate_video

    outcome = translate_video(toonforge.load("runs/anime_unet"), "film.mp4", "film-anime.mp4", steady=0.7)
    print(outcome.frames, outcome.seconds, outcome.notes)

Nothing here imports torch, PyAV or OpenCV until it is used.
"""

from toonforge.use.video.film import Outcome, translate_video
from toonforge.use.video.kinds import WRITTEN, is_video, target_suffix, webcam_index
from toonforge.use.video.live import webcam
from toonforge.use.video.steady import warping_error

__all__ = [
    "WRITTEN",
    "Outcome",
    "is_video",
    "target_suffix",
    "translate_video",
    "warping_error",
    "webcam",
    "webcam_index",
]
