#!/bin/sh
exec yes a line that comes again and again
