"""Pictures: reading, geometry, filters, folders, order. Nothing here imports torch before a picture is asked for."""

from toonforge.data.cartoonized import CartoonizedFolder
from toonforge.data.files import Files
from toonforge.data.filters.cartoonize import STYLES, cartoonize
from toonforge.data.filters.edge_smoothing import smooth_edges
from toonforge.data.folders import PairedFolders, UnpairedFolders
from toonforge.data.held_out import HeldOut
from toonforge.data.hugging_face.component import HuggingFace
from toonforge.data.listed import ListedPictures
from toonforge.data.picture_set import PictureSet
from toonforge.data.picture_source import PictureSource
from toonforge.data.pictures import Pictures
from toonforge.data.reading.picture import SUFFIXES, is_picture_name, list_pictures, read_picture
from toonforge.data.side_by_side import SideBySide
from toonforge.data.synthetic import Synthetic
from toonforge.data.transforms import Crop, Geometry, normalised, scale_short_side, to_tensor
from toonforge.data.webdataset.component import WebDataset

__all__ = [
    "UnpairedFolders",
    "PairedFolders",
    "CartoonizedFolder",
    "SideBySide",
    "ListedPictures",
    "WebDataset",
    "HuggingFace",
    "Synthetic",
    "PictureSet",
    "HeldOut",
    "Pictures",
    "Files",
    "PictureSource",
    "Geometry",
    "Crop",
    "read_picture",
    "list_pictures",
    "is_picture_name",
    "SUFFIXES",
    "scale_short_side",
    "to_tensor",
    "normalised",
    "cartoonize",
    "STYLES",
    "smooth_edges",
]
