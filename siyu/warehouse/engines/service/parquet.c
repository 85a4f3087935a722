/* Parquet files as the compactor writes them, read into a kernel without anybody in between: flat,
   integers without nulls, pages of version 1, plain or LZ4_RAW. Formats:
   https://parquet.apache.org/docs/file-format/ (footer and page headers are Thrift's compact
   protocol), https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md. A thousand rows at a time
   are decoded, so that they are still in the processor's cache when the kernel looks at them. */

#include "kernel.h"
#include <stdlib.h>
#include <string.h>

enum { INT32 = 1, INT64 = 2 };
enum { DATA_PAGE = 0, DICTIONARY_PAGE = 2 };
enum { UNCOMPRESSED = 0, LZ4_RAW = 7 };
enum { PLAIN = 0, PLAIN_DICTIONARY = 2, DELTA_BINARY_PACKED = 5, RLE_DICTIONARY = 8 };
enum { BINARY = 8, LIST = 9, SET = 10, STRUCT = 12 };
#define SLACK 16                    /* bytes behind a page that may be read and written */
#define PAGE_MAX (INT64_C(1) << 28)
#define COLUMNS_MAX (5 + EXTRAS_MAX)
#define LEAVES_MAX 1024

/* --- bytes: reading past the end gives 0 and is remembered ---------------------------------------- */

typedef struct { const uint8_t *at, *end; int bad; } Bytes;

static const uint8_t *pass(Bytes *b, uint64_t size) {
    const uint8_t *from = b->at;
    if (size > (uint64_t)(b->end - from)) { b->bad = 1; b->at = b->end; return NULL; }
    b->at += size;
    return from;
}

static uint8_t byte(Bytes *b) {
    const uint8_t *from = pass(b, 1);
    return from ? *from : 0;
}

static uint64_t varint(Bytes *b) {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        uint8_t part = byte(b);
        value |= (uint64_t)(part & 127) << shift;
        if (part < 128) return value;
    }
    b->bad = 1;
    return 0;
}

static int64_t zigzag(Bytes *b) {
    uint64_t value = varint(b);
    return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

/* --- Thrift's compact protocol ------------------------------------------------------------------ */

/* The type of a struct's next field, 0 at its end. id: of the field before, 0 at first. */
static int field(Bytes *b, int64_t *id) {
    uint8_t head = byte(b);
    if (b->bad || !(head & 15)) return 0;
    *id = head >> 4 ? *id + (head >> 4) : zigzag(b);
    return head & 15;
}

static uint64_t list(Bytes *b, int *type) {
    uint8_t head = byte(b);
    *type = head & 15;
    uint64_t size = head >> 4 == 15 ? varint(b) : head >> 4;
    if (size > (uint64_t)(b->end - b->at)) { b->bad = 1; return 0; }
    return size;
}

static void skip(Bytes *b, int type, int depth) {
    int64_t id = 0;
    int inner;
    if (depth > 8) b->bad = 1;
    switch (b->bad ? 0 : type) {
    case 0: case 1: case 2: return;                             /* a boolean is in its type */
    case 3: byte(b); return;
    case 4: case 5: case 6: varint(b); return;
    case 7: pass(b, 8); return;
    case BINARY: pass(b, varint(b)); return;
    case LIST: case SET:
        for (uint64_t n = list(b, &inner); n-- && !b->bad;) skip(b, inner < 3 ? 3 : inner, depth + 1);
        return;
    case STRUCT: while ((inner = field(b, &id))) skip(b, inner, depth + 1); return;
    default: b->bad = 1;
    }
}

/* --- LZ4 ---------------------------------------------------------------------------------------- */

static uint64_t length(Bytes *in, uint64_t size) {
    if (size < 15) return size;
    uint8_t more;
    do size += more = byte(in); while (more == 255);
    return size;
}

/* A block as `room` bytes, which have SLACK behind them; whether that is what it was. */
static int unlz4(Bytes in, uint8_t *out, uint64_t room) {
    uint8_t *begin = out, *end = out + room;
    while (!in.bad) {
        uint8_t token = byte(&in);
        uint64_t size = length(&in, token >> 4);
        if (size > (uint64_t)(end - out)) return 0;
        if (size <= SLACK && in.end - in.at >= SLACK) memcpy(out, in.at, SLACK);
        else if (size <= (uint64_t)(in.end - in.at)) memcpy(out, in.at, size);
        pass(&in, size);
        out += size;
        if (in.at == in.end) return !in.bad && out == end;
        const uint8_t *two = pass(&in, 2);
        uint64_t back = two ? two[0] | (uint64_t)two[1] << 8 : 0;
        size = length(&in, token & 15) + 4;
        if (!back || back > (uint64_t)(out - begin) || size > (uint64_t)(end - out)) return 0;
        if (back >= 8)
            for (uint64_t n = 0; n < size; n += 8) memcpy(out + n, out + n - back, 8);
        else
            for (uint64_t n = 0; n < size; n++) out[n] = *(out + n - back);
        out += size;
    }
    return 0;
}

/* --- a column chunk ----------------------------------------------------------------------------- */

typedef struct {
    int64_t type, optional, codec, begin, size, least, most;    /* as the footer says */
    Bytes rest, in;                     /* pages to come; the present page */
    uint8_t *page;
    int64_t room, left;                 /* left: values of the present page */
    int64_t *word, words;               /* the dictionary */
    int encoding, packed, fresh;
    int64_t run;                        /* values left in a run of codes, or in a miniblock */
    uint64_t value, bit, least_delta;   /* of the run; of the last delta; the next bit of `in` */
    unsigned width;
    const uint8_t *bits, *widths;
    uint64_t miniblocks, miniblock, in_miniblock;
} Chunk;

static inline uint64_t unpack(const uint8_t *bits, uint64_t bit, unsigned width, uint64_t mask) {
    uint64_t low;
    unsigned shift = bit & 7;
    memcpy(&low, bits + (bit >> 3), 8);
    low >>= shift;
    if (width + shift > 64) low |= (uint64_t)bits[(bit >> 3) + 8] << (64 - shift);
    return low & mask;
}

static uint64_t mask_of(unsigned width) { return width < 64 ? (UINT64_C(1) << width) - 1 : ~UINT64_C(0); }

/* `size` packed numbers of `width` bits begin here. */
static int open_bits(Chunk *c, uint64_t size, unsigned width) {
    c->width = width;
    c->bit = 0;
    return width <= 64 && size < (uint64_t)PAGE_MAX && (c->bits = pass(&c->in, (size * width + 7) / 8));
}

/* A run of codes (https://parquet.apache.org/docs/file-format/data-pages/encodings/#RLE). */
static int open_run(Chunk *c, unsigned width) {
    uint64_t head = varint(&c->in);
    c->packed = head & 1;
    if (head >> 1 > (uint64_t)PAGE_MAX) return 0;
    c->run = (int64_t)(head >> 1) * (c->packed ? 8 : 1);
    if (c->packed) return c->run && open_bits(c, (uint64_t)c->run, width);
    c->value = 0;
    for (unsigned n = 0; n < (width + 7) / 8; n++) c->value |= (uint64_t)byte(&c->in) << 8 * n;
    c->width = width;
    return c->run && !c->in.bad;
}

static int read_codes(Chunk *c, int64_t *out, int64_t rows) {
    uint64_t words = (uint64_t)c->words, most = 0;
    for (int64_t take; rows; rows -= take, out += take, c->run -= take) {
        if (!c->run && !open_run(c, c->width)) return 0;
        take = rows < c->run ? rows : c->run;
        if (c->packed) {
            uint64_t mask = mask_of(c->width);
            for (int64_t i = 0; i < take; i++, c->bit += c->width) {
                uint64_t code = unpack(c->bits, c->bit, c->width, mask);
                most = code > most ? code : most;
                out[i] = c->word[code < words ? code : 0];
            }
        } else {
            most = c->value > most ? c->value : most;
            int64_t word = c->word[c->value < words ? c->value : 0];
            for (int64_t i = 0; i < take; i++) out[i] = word;
        }
    }
    return most < words;
}

static int open_miniblock(Chunk *c) {
    if (c->miniblock == c->miniblocks) {
        c->least_delta = (uint64_t)zigzag(&c->in);
        c->widths = pass(&c->in, c->miniblocks);
        c->miniblock = 0;
    }
    c->run = (int64_t)c->in_miniblock;
    return !c->in.bad && open_bits(c, c->in_miniblock, c->widths[c->miniblock++]);
}

static int read_deltas(Chunk *c, int64_t *out, int64_t rows) {
    uint64_t value = c->value;
    if (rows && c->fresh) {
        *out++ = (int64_t)value;
        c->fresh = 0;
        rows--;
    }
    for (int64_t take; rows; rows -= take, out += take, c->run -= take) {
        if (!c->run && !open_miniblock(c)) return 0;
        take = rows < c->run ? rows : c->run;
        uint64_t mask = mask_of(c->width), least = c->least_delta, bit = c->bit;
        for (int64_t i = 0; i < take; i++, bit += c->width)
            out[i] = (int64_t)(value += least + unpack(c->bits, bit, c->width, mask));
        c->bit = bit;
    }
    c->value = value;
    return 1;
}

static int read_plain(Chunk *c, int64_t *out, int64_t rows) {
    uint64_t size = c->type == INT64 ? 8 : 4;
    const uint8_t *cells = pass(&c->in, (uint64_t)rows * size);
    for (int64_t i = 0; cells && i < rows; i++, cells += size) {
        int32_t narrow = 0;
        if (size == 8) memcpy(out + i, cells, 8);
        else { memcpy(&narrow, cells, 4); out[i] = narrow; }
    }
    return cells != NULL;
}

/* Whether everything is there: levels of an optional column that say so of every value. */
static int no_nulls(Chunk *c, int64_t values) {
    const uint8_t *four = pass(&c->in, 4), *levels;
    uint32_t size = 0;
    if (four) memcpy(&size, four, 4);
    if (!(levels = pass(&c->in, size))) return 0;
    Bytes in = c->in;
    c->in = (Bytes){levels, levels + size, 0};
    int whole = 1;
    for (int64_t n = 0; n < values && whole; n += c->run) {
        whole = open_run(c, 1);
        for (int64_t i = 0; whole && c->packed && i < c->run && n + i < values; i++)
            whole = c->bits[i >> 3] >> (i & 7) & 1;
        whole = whole && (c->packed || c->value == 1);
    }
    c->run = 0;
    c->in = in;
    return whole;
}

static int open_values(Chunk *c, int64_t values) {
    c->left = values;
    c->run = 0;
    if (c->optional && !no_nulls(c, values)) return 0;
    switch (c->encoding) {
    case PLAIN: return 1;
    case PLAIN_DICTIONARY: case RLE_DICTIONARY:
        c->width = byte(&c->in);
        return c->width <= 32 && c->words;
    case DELTA_BINARY_PACKED: {
        uint64_t block = varint(&c->in);
        c->miniblocks = c->miniblock = varint(&c->in);
        varint(&c->in);
        c->value = (uint64_t)zigzag(&c->in);
        c->fresh = 1;
        if (!c->miniblocks || block > (uint64_t)PAGE_MAX) return 0;
        return (c->in_miniblock = block / c->miniblocks) > 0;
    }
    default: return 0;
    }
}

static int read_dictionary(Chunk *c, int64_t values) {
    if (values < 1 || values > PAGE_MAX / 8) return 0;
    int64_t *word = realloc(c->word, (size_t)values * sizeof *word);
    if (!word) return 0;
    c->word = word;
    c->words = values;
    return read_plain(c, word, values);
}

/* The next page of values, and a dictionary that stands before it. */
static int open_page(Chunk *c) {
    for (;;) {
        int64_t id = 0, inner, kind = -1, size = -1, packed = -1, values = -1;
        for (int type, part; (type = field(&c->rest, &id));) {
            if (id < 4 && type == 5) *(id == 1 ? &kind : id == 2 ? &size : &packed) = zigzag(&c->rest);
            else if ((id == 5 || id == 7) && type == STRUCT)
                for (inner = 0; (part = field(&c->rest, &inner));) {
                    if (inner == 1 && part == 5) values = zigzag(&c->rest);
                    else if (inner == 2 && part == 5) c->encoding = (int)zigzag(&c->rest);
                    else skip(&c->rest, part, 0);
                }
            else skip(&c->rest, type, 0);
        }
        if (size < 0 || size > PAGE_MAX || packed < 0 || values < 0 || values > PAGE_MAX) return 0;
        const uint8_t *from = pass(&c->rest, (uint64_t)packed);
        if (!from) return 0;
        if (size > c->room || !c->page) {
            free(c->page);
            c->room = size;
            if (!(c->page = malloc((size_t)size + SLACK))) { c->room = 0; return 0; }
        }
        memset(c->page + size, 0, SLACK);
        Bytes whole = {from, from + packed, 0};
        if (c->codec == LZ4_RAW) { if (!unlz4(whole, c->page, (uint64_t)size)) return 0; }
        else if (size == packed) memcpy(c->page, from, (size_t)size);
        else return 0;
        c->in = (Bytes){c->page, c->page + size, 0};
        if (kind == DATA_PAGE && values) return open_values(c, values);
        if (kind == DICTIONARY_PAGE && !read_dictionary(c, values)) return 0;
    }
}

static int read_chunk(Chunk *c, int64_t *out, int64_t rows) {
    for (int64_t take; rows; rows -= take, out += take, c->left -= take) {
        if (!c->left && !open_page(c)) return 0;
        take = rows < c->left ? rows : c->left;
        int known = c->encoding == PLAIN ? read_plain(c, out, take)
            : c->encoding == DELTA_BINARY_PACKED ? read_deltas(c, out, take)
            : read_codes(c, out, take);
        if (!known) return 0;
        if (c->type == INT32) for (int64_t i = 0; i < take; i++) out[i] = (int32_t)out[i];
    }
    return 1;
}

/* --- the footer --------------------------------------------------------------------------------- */

typedef struct {
    const uint8_t *file;
    int64_t size, leaves, columns, rows;
    int8_t column[LEAVES_MAX];          /* leaf of the schema -> which column that is, -1 none */
    Chunk chunk[COLUMNS_MAX];
} Reader;

/* One column of the schema. */
static void read_leaf(Reader *r, Bytes *b, const char *const *names) {
    int64_t id = 0, type = -1, repetition = -1, children = 0;
    uint64_t size = 0;
    const uint8_t *name = NULL;
    for (int kind; (kind = field(b, &id));) {
        if (id == 4 && kind == BINARY) name = pass(b, size = varint(b));
        else if ((id == 1 || id == 3 || id == 5) && kind == 5)
            *(id == 1 ? &type : id == 3 ? &repetition : &children) = zigzag(b);
        else skip(b, kind, 0);
    }
    if (children) return;                                       /* the root */
    if (r->leaves == LEAVES_MAX) { b->bad = 1; return; }
    r->column[r->leaves] = -1;
    for (int64_t n = 0; name && n < r->columns; n++) {
        if (strlen(names[n]) != size || memcmp(names[n], name, size)) continue;
        r->column[r->leaves] = (int8_t)n;
        r->chunk[n].type = type;
        r->chunk[n].optional = repetition;
    }
    r->leaves++;
}

static void read_edge(Bytes *b, int64_t *edge) {
    uint64_t size = varint(b);
    const uint8_t *from = pass(b, size);
    int32_t narrow;
    if (from && size == 8) memcpy(edge, from, 8);
    if (from && size == 4) { memcpy(&narrow, from, 4); *edge = narrow; }
}

/* ColumnMetaData. */
static void read_place(Bytes *b, Chunk *c) {
    int64_t id = 0, inner, dictionary = 0;
    c->least = INT64_MIN;
    c->most = INT64_MAX;
    for (int type, part; (type = field(b, &id));) {
        if (id == 4 && type == 5) c->codec = zigzag(b);
        else if ((id == 7 || id == 9 || id == 11) && type == 6)
            *(id == 7 ? &c->size : id == 9 ? &c->begin : &dictionary) = zigzag(b);
        else if (id == 12 && type == STRUCT)
            for (inner = 0; (part = field(b, &inner));) {
                if ((inner == 5 || inner == 6) && part == BINARY)
                    read_edge(b, inner == 5 ? &c->most : &c->least);
                else skip(b, part, 0);
            }
        else skip(b, type, 0);
    }
    if (dictionary && dictionary < c->begin) c->begin = dictionary;
}

static void read_group(Reader *r, Bytes *b) {
    int64_t id = 0, inner, column;
    int part, kind;
    for (int type; (type = field(b, &id));) {
        if (id == 3 && type == 6) r->rows = zigzag(b);
        else if (id == 1 && type == LIST) {
            int64_t leaves = (int64_t)list(b, &kind);
            if (leaves != r->leaves) b->bad = 1;
            for (int64_t leaf = 0; leaf < leaves && !b->bad; leaf++)
                for (inner = 0, column = r->column[leaf]; (part = field(b, &inner));) {
                    if (inner == 3 && part == STRUCT && column >= 0) read_place(b, r->chunk + column);
                    else skip(b, part, 0);
                }
        } else skip(b, type, 0);
    }
}

/* Whether pages of a row group can be read here; opens them. */
static int open_group(Reader *r) {
    for (int64_t n = 0; n < r->columns; n++) {
        Chunk *c = r->chunk + n;
        if ((c->type != INT32 && c->type != INT64) || (c->optional & ~INT64_C(1))
            || (c->codec != UNCOMPRESSED && c->codec != LZ4_RAW))
            return 0;
        if (c->begin < 0 || c->size < 0 || c->begin > r->size || c->size > r->size - c->begin) return 0;
        c->rest = (Bytes){r->file + c->begin, r->file + c->begin + c->size, 0};
        c->left = c->run = c->words = 0;
    }
    return 1;
}

/* --- rows --------------------------------------------------------------------------------------- */

/* Columns: shop, person, moment, name, number if it matters, extras. */
static int take_group(Kernel *k, Reader *r, int64_t shop, int numbered, int sorted, int64_t *cells) {
    int64_t *shops = cells, *person = cells + BLOCK;
    int32_t names[BLOCK];
    Batch batch = {
        .person = person, .at = person + BLOCK, .no = numbered ? person + 3 * BLOCK : NULL, .name = names};
    for (int64_t n = 0; n < k->extras; n++)
        batch.extra[n] = (Column){'l', person + (3 + numbered + n) * BLOCK};
    int mixed = r->chunk[0].least != shop || r->chunk[0].most != shop;
    for (int64_t rows = r->rows; rows > 0; rows -= BLOCK) {
        batch.rows = rows < BLOCK ? rows : BLOCK;
        for (int64_t n = !mixed; n < r->columns; n++)
            if (!read_chunk(r->chunk + n, cells + n * BLOCK, batch.rows))
                return fail(k, "a page is damaged, or of a kind that the compactor does not write");
        int64_t kept = mixed ? 0 : batch.rows;
        for (int64_t i = 0; mixed && i < batch.rows; i++) {
            for (int64_t n = 1; n < r->columns; n++) cells[n * BLOCK + kept] = cells[n * BLOCK + i];
            kept += shops[i] == shop;
        }
        batch.rows = kept;
        for (int64_t i = 0; i < batch.rows; i++) names[i] = (int32_t)person[2 * BLOCK + i];
        if (take_batch(k, &batch, sorted)) return -1;
    }
    return 0;
}

static int64_t take_groups(Kernel *k, Reader *r, const char *const *names, int64_t shop, int numbered,
                           int sorted, int64_t first, int64_t most, int64_t *cells) {
    uint32_t length = 0;
    if (r->size < 12 || memcmp(r->file + r->size - 4, "PAR1", 4)) return fail(k, "no Parquet file");
    memcpy(&length, r->file + r->size - 8, 4);
    if (length > r->size - 8) return fail(k, "no Parquet file");
    Bytes b = {r->file + r->size - 8 - length, r->file + r->size - 8, 0};
    int64_t id = 0, groups = 0;
    int kind;
    for (int type; (type = field(&b, &id));) {
        if (id == 2 && type == LIST)
            for (uint64_t n = list(&b, &kind); n-- && !b.bad;) read_leaf(r, &b, names);
        else if (id == 4 && type == LIST) {
            groups = (int64_t)list(&b, &kind);
            for (int64_t n = 0; n < groups && !b.bad && n < first + most; n++) {
                read_group(r, &b);
                if (n < first || b.bad) continue;
                if (!open_group(r)) return n ? fail(k, "row groups of different kinds") : OTHER_FORM;
                const Chunk *shops = r->chunk;
                if (shops->least > shop || shops->most < shop) continue;
                if (take_group(k, r, shop, numbered, sorted, cells)) return -1;
            }
            break;
        } else skip(&b, type, 0);
    }
    return b.bad ? fail(k, "the footer is damaged") : groups > first + most ? first + most : 0;
}

int64_t take_file(Kernel *k, const uint8_t *file, int64_t size, const char *const *names,
                  int64_t columns, int64_t shop, int numbered, int sorted, int64_t first, int64_t most) {
    if (columns != 4 + numbered + k->extras) return fail(k, "other columns are expected");
    if (!first) k->source = -1;
    Reader *r = calloc(1, sizeof *r);
    int64_t *cells = calloc((size_t)columns * BLOCK, sizeof *cells), next = -1;
    if (r && cells) {
        r->file = file;
        r->size = size;
        r->columns = columns;
        for (int64_t n = 0; n < columns; n++) r->chunk[n].type = -1;
        next = take_groups(k, r, names, shop, numbered, sorted, first, most, cells);
    } else fail(k, "out of memory");
    for (int64_t n = 0; r && n < columns; n++) { free(r->chunk[n].page); free(r->chunk[n].word); }
    free(r);
    free(cells);
    return next;
}
