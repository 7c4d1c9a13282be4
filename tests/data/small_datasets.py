"""Small datasets in a folder, for the tests of this folder."""

from PIL import Image, ImageDraw


def make_image(seed, height=30, width=90):
    image = Image.new("RGB", (width, height), (200, 220 - seed % 50, 180))
    draw = ImageDraw.Draw(image)
    draw.text((4, height // 3), f"w{seed}", fill=(20, seed % 200, 60))
    draw.line((0, seed % height, width, height - seed % height), fill=(90, 10, 10))
    return image


def make_words(folder, count=6, split=None):
    """Form B: crops of growing width."""
    (folder / "images").mkdir()
    samples = []
    for i in range(count):
        make_image(i, width=40 + 37 * i).save(folder / "images" / f"w{i}.png")
        samples.append({"image_file_name": f"w{i}.png", "image_id": i + 1, "word": f"w{i}"})
        if split:
            samples[-1]["split"] = split(i)
    return {"image_dir": str(folder / "images"), "samples": samples}


def make_pages(folder, pages=2, words=3):
    """Recognition samples that are boxes on pages, `words` on each."""
    (folder / "images").mkdir()
    samples = []
    for page in range(pages):
        make_image(page, 120, 240).save(folder / "images" / f"p{page}.png")
        for word in range(words):
            samples.append(
                {
                    "image_file_name": f"p{page}.png",
                    "image_id": page * words + word,
                    "word": f"p{page}w{word}",
                    "bbox_row": 30.0 + 20 * word,
                    "bbox_col": 100.0,
                    "bbox_phi": 0.1 * word,
                    "bbox_length1": 40.0 + 5 * word,
                    "bbox_length2": 9.3,
                }
            )
    return {"image_dir": str(folder / "images"), "samples": samples}
