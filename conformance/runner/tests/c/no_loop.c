/* Not a loop. */
int osevent_no_loop;
