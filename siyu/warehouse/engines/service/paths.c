/* Paths: the places of each visit from its start on, backward or forward, and how often one place
   led to another on each level. */

#include "kernel.h"
#include <stdlib.h>
#include <string.h>

/* A row: when the last event was, at which place, how many places of the walk are known (NONE: the
   visit has no start yet), then these places. Backward there stand, after them, how many of the
   places before the present one are known, and these: the walk if the next start comes now. */
enum { LAST_AT, LAST_PLACE, KNOWN, WALK };

int64_t path_width(int64_t length, int backward) {
    return WALK + length + 1 + (backward ? length + 2 : 0);
}

static uint64_t spread_bits(uint64_t key) {
    key = (key ^ key >> 31) * UINT64_C(0x7fb5d329728ea185);
    return (key ^ key >> 27) * UINT64_C(0x81dadef4bc2dd44d);
}

static int grow_links(Links *links) {
    Link *old = links->link;
    size_t size = links->size, room = size ? 2 * size : 256;
    Link *link = calloc(room, sizeof *link);
    if (!link) return -1;
    links->link = link;
    links->size = room;
    for (size_t i = 0; i < size; i++) {
        if (!old[i].visits) continue;
        size_t at = spread_bits(old[i].key) & (room - 1);
        while (link[at].visits) at = (at + 1) & (room - 1);
        link[at] = old[i];
    }
    free(old);
    return 0;
}

/* One more visit went from a place to the next; next -1: it went no further. */
static void count_link(Kernel *k, int64_t level, int64_t place, int64_t next) {
    Links *links = &k->links[level];
    if (2 * links->used >= links->size && grow_links(links)) { k->short_of_memory = 1; return; }
    uint64_t key = (uint64_t)place << 32 | (uint32_t)(next + 1);
    size_t at = spread_bits(key) & (links->size - 1);
    while (links->link[at].visits && links->link[at].key != key) at = (at + 1) & (links->size - 1);
    links->used += !links->link[at].visits;
    links->link[at].key = key;
    links->link[at].visits++;
}

static void end_visit(Kernel *k, int64_t *own) {
    for (int64_t n = 0; n < own[KNOWN]; n++)
        count_link(k, n, own[WALK + n], n + 1 < own[KNOWN] ? own[WALK + n + 1] : -1);
    own[KNOWN] = NONE;
}

/* Test 0: a start; the value is the place. */
void play_path(Kernel *k, int64_t *own, const Event *e) {
    int64_t most = k->length + 1, *walk = own + WALK, *past = walk + most;
    int begins = own[LAST_AT] == NONE || e->at - own[LAST_AT] > k->window;
    int moves = begins || own[LAST_PLACE] != e->value;
    if (begins) {
        end_visit(k, own);
        if (k->backward) past[0] = 0;
    }
    own[LAST_AT] = e->at;
    own[LAST_PLACE] = e->value;
    if (!k->backward) {
        if (own[KNOWN] == NONE ? (e->hits & 1) != 0 : moves && own[KNOWN] < most) {
            if (own[KNOWN] == NONE) own[KNOWN] = 0;
            walk[own[KNOWN]++] = e->value;
        }
        return;
    }
    if (moves) {
        if (past[0] < most) past[0]++;
        memmove(past + 2, past + 1, (size_t)(past[0] - 1) * sizeof *past);
        past[1] = e->value;
    }
    if (e->hits & 1) {
        own[KNOWN] = past[0];
        memcpy(walk, past + 1, (size_t)past[0] * sizeof *walk);
    }
}

/* Quadruples (level, place, next place or -1, visits). */
int64_t *tally_paths(Kernel *k, size_t *size) {
    size_t links = 0, out = 0;
    for (int64_t person = 0; person < k->persons; person++)
        end_visit(k, k->state + person * k->width);
    if (k->short_of_memory) return NULL;
    for (int64_t level = 0; level <= k->length; level++) links += k->links[level].used;
    int64_t *found = malloc((links + 1) * 4 * sizeof *found);
    for (int64_t level = 0; found && level <= k->length; level++)
        for (size_t i = 0; i < k->links[level].size; i++) {
            const Link *link = &k->links[level].link[i];
            if (!link->visits) continue;
            found[out++] = level;
            found[out++] = (int64_t)(link->key >> 32);
            found[out++] = (int64_t)(link->key & UINT32_MAX) - 1;
            found[out++] = link->visits;
        }
    *size = out;
    return found;
}
