/*
 * zebra sets its supplementary groups when it starts and ends if it may not. In the user namespace of an ordinary user
 * nobody may, and there is nothing to give up: the groups are the user's own. Preloaded there, and only there.
 */
#include <grp.h>

int setgroups(size_t size, const gid_t *list)
{
	(void)size;
	(void)list;
	return 0;
}
