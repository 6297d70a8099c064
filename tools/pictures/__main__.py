"""Draw all pictures again."""

from tools.pictures import PICTURES, STATIC

for name, draw in PICTURES.items():
    (STATIC / name).write_text(draw(), encoding="utf-8")
    print(STATIC / name)
